-- bury: asks whether a ticket lives; one that nobody knows can never begin to wait from here on.
--
-- KEYS[1] tickets hash: ticket -> record
-- KEYS[2] results hash: ticket -> outcome
-- KEYS[3] forget  zset: ticket or match -> when its outcome may go, ms
-- KEYS[4] outbox  stream: what the outside must hear
-- ARGV[1] now_ms
-- ARGV[2] ticket
-- ARGV[3] forget_ms
-- Returns {"LIVE"} | {"DEAD"}
-- Limits  constant work
--
-- A join reserves the player before it writes the ticket, in another slot. Whoever finds a player reserved for a ticket
-- that does not exist cannot tell a crash from a slow writer; the outcome written here makes both the same.
-- A ticket in a match that the ledger has not heard of is LIVE: if the match proves void, it waits again.

local tickets, results, forget, outbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now_ms, ticket, forget_ms = tonumber(ARGV[1]), ARGV[2], ARGV[3]

if redis.call('HEXISTS', tickets, ticket) == 1 then
  return { 'LIVE' }
end
local result = redis.call('HGET', results, ticket)
local entry = result and cjson.decode(result).entry
if entry and #redis.call('XRANGE', outbox, entry, entry) > 0 then
  return { 'LIVE' }
end
if not result then
  local outcome = { status = 'cancelled', reason = 'superseded', ended_ms = now_ms }
  redis.call('HSET', results, ticket, cjson.encode(outcome))
  redis.call('ZADD', forget, forget_ms, ticket)
end
return { 'DEAD' }
