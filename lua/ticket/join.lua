-- join: a new ticket begins to wait (nothing -> waiting).
--
-- KEYS    tickets, waiting, last_seen, results, stats
-- ARGV    now_ms; ticket; record, JSON; order
-- Returns {"JOINED", p50, p90} | {"JOINED_BEFORE", p50, p90} | {"ENDED"}
-- Limits  constant work
--
-- Run twice it answers JOINED_BEFORE and counts once. A ticket that was brought back from the ledger meanwhile has the later life's
-- count from then on. An id that has an outcome never comes back to life: so a slow join cannot make a second ticket for a player
-- who has joined anew meanwhile (see tombstone).

local tickets, waiting, last_seen, results, stats = unpack(KEYS)
local now_ms, ticket, record, order = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if redis.call('HEXISTS', results, ticket) == 1 then return { 'ENDED' } end
local wait = redis.call('HMGET', stats, 'wait_p50', 'wait_p90')
if redis.call('HSETNX', tickets, ticket, record) == 0 then
  local existing = ticket_of(redis.call('HGET', tickets, ticket))
  local imported = cjson.decode(record)[7] or 0
  if existing and imported > (tonumber(existing[7]) or 0) then
    existing[6], existing[7] = existing[6] or false, imported
    redis.call('HSET', tickets, ticket, cjson.encode(existing))
  end
  return { 'JOINED_BEFORE', wait[1], wait[2] }
end
redis.call('ZADD', waiting, order, ticket)
redis.call('ZADD', last_seen, now_ms, ticket)
redis.call('HINCRBY', stats, 'joined', 1)
return { 'JOINED', wait[1], wait[2] }
