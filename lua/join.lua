-- join: a new ticket begins to wait (nothing -> waiting).
--
-- KEYS[1] tickets hash: ticket -> record [players, rating, joined_ms, expires_ms, attempts]
-- KEYS[2] waiting zset: ticket -> order, smaller is earlier
-- KEYS[3] seen    zset: ticket -> when its party was last heard of, ms
-- KEYS[4] results hash: ticket -> outcome
-- KEYS[5] stats   hash: counters and recent wait percentiles
-- ARGV[1] now_ms
-- ARGV[2] ticket
-- ARGV[3] record of the ticket, JSON
-- ARGV[4] order
-- Returns {"JOINED", p50, p90} | {"JOINED_BEFORE", p50, p90} | {"ENDED"}
-- Limits  constant work
--
-- Run twice it answers JOINED_BEFORE and counts once; a ticket that was brought back from the ledger meanwhile has the later
-- life's count from then on. An id that has an outcome never comes back to life: that is what
-- keeps a slow join from making a second ticket for a player who has joined anew meanwhile (see bury).

local tickets, waiting, seen, results, stats = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now_ms, ticket, record, order = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

if redis.call('HEXISTS', results, ticket) == 1 then
  return { 'ENDED' }
end
local wait = redis.call('HMGET', stats, 'wait_p50', 'wait_p90')
if redis.call('HSETNX', tickets, ticket, record) == 0 then
  local fine, known = pcall(cjson.decode, redis.call('HGET', tickets, ticket))
  local imported = cjson.decode(record)[7] or 0
  if fine and type(known) == 'table' and tonumber(known[5]) and imported > (tonumber(known[7]) or 0) then
    known[6], known[7] = known[6] or false, imported
    redis.call('HSET', tickets, ticket, cjson.encode(known))
  end
  return { 'JOINED_BEFORE', wait[1], wait[2] }
end
redis.call('ZADD', waiting, order, ticket)
redis.call('ZADD', seen, now_ms, ticket)
redis.call('HINCRBY', stats, 'joined', 1)
return { 'JOINED', wait[1], wait[2] }
