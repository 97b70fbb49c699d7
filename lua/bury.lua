-- bury: asks whether a ticket lives; one that nobody knows can never begin to wait from here on.
--
-- KEYS[1] tickets hash: ticket -> record
-- KEYS[2] results hash: ticket -> outcome
-- KEYS[3] forget  zset: ticket or match -> when its outcome may go, ms
-- ARGV[1] now_ms
-- ARGV[2] ticket
-- ARGV[3] forget_ms
-- Returns {"LIVE"} | {"DEAD"}
-- Limits  constant work
--
-- A join reserves the player before it writes the ticket, in another slot. Whoever finds a player reserved for a ticket
-- that does not exist cannot tell a crash from a slow writer; the outcome written here makes both the same.

local tickets, results, forget = KEYS[1], KEYS[2], KEYS[3]
local now_ms, ticket, forget_ms = tonumber(ARGV[1]), ARGV[2], ARGV[3]

if redis.call('HEXISTS', tickets, ticket) == 1 then
  return { 'LIVE' }
end
if redis.call('HEXISTS', results, ticket) == 0 then
  local outcome = { status = 'cancelled', reason = 'superseded', ended_ms = now_ms }
  redis.call('HSET', results, ticket, cjson.encode(outcome))
  redis.call('ZADD', forget, forget_ms, ticket)
end
return { 'DEAD' }
