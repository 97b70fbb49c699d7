-- stands: a phone was told of a match that the ledger has not decided; its ticket never waits again.
--
-- KEYS[1] results hash: ticket -> outcome
-- ARGV[1] ticket
-- Returns {"STANDS"}
-- Limits  constant work
--
-- The outcome loses its entry of the outbox. From here on the ticket reads as matched, and void leaves it alone.

local results = KEYS[1]
local ticket = ARGV[1]

local text = redis.call('HGET', results, ticket)
local over = text and cjson.decode(text) or {}
if over.entry then
  over.entry = nil
  redis.call('HSET', results, ticket, cjson.encode(over))
end
return { 'STANDS' }
