-- stands: a phone was told of a match that the ledger has not decided; its ticket never waits again.
--
-- KEYS    results
-- ARGV    ticket
-- Returns {"STANDS"}
-- Limits  constant work
--
-- The outcome loses its entry of the outbox. From here on the ticket reads as matched, and void leaves it alone.

local results = unpack(KEYS)
local ticket = ARGV[1]

local text = redis.call('HGET', results, ticket)
local finished = text and cjson.decode(text) or {}
if finished.entry then
  finished.entry = nil
  redis.call('HSET', results, ticket, cjson.encode(finished))
end
return { 'STANDS' }
