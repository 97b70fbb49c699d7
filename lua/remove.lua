-- remove: a pool that the rules no longer name leaves nothing behind.
--
-- KEYS[1] tickets hash: ticket -> record
-- KEYS[2] waiting zset: ticket -> order, smaller is earlier
-- KEYS[3] claims  hash: ticket -> match that holds it
-- KEYS[4] leases  zset: match -> until when it holds its tickets, ms
-- KEYS[5] matches hash: match -> record
-- KEYS[6] results hash: ticket -> outcome
-- KEYS[7] forget  zset: ticket or match -> when its outcome may go, ms
-- KEYS[8] outbox  stream: what the outside must hear
-- KEYS[9] dead    stream: what the outside could not be told
-- KEYS[10] later  stream: what a later version must tell the outside
-- KEYS[11] seen   zset: ticket -> when its party was last heard of, ms
-- KEYS[12] lobbies zset: match -> number of its lobby
-- KEYS[13] paces  zset: player -> until when the player has asked ahead, ms
-- KEYS[14] waits  list: the latest waits, ms
-- KEYS[15] stats  hash: counters and recent wait percentiles
-- KEYS[16] runs   hash: what jobs last did with the pool, and its counters a minute ago
-- Returns {"REMOVED"} | {"IN_USE"}
-- Limits  O(n), n players who have asked ahead; waits <= RECENT_WAITS_MAX
--
-- IN_USE while anything in the pool may still matter to a player or to the outside; then nothing changes. The leader's key ends
-- by itself. A pool that is used again begins anew, as after a loss of Redis. A stream outlives its last entry, so its length counts.

local tickets, waiting, claims, leases, matches, results, forget, outbox, dead, later, seen, lobbies, paces, waits, stats, runs =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8],
  KEYS[9], KEYS[10], KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15], KEYS[16]

local left = redis.call('EXISTS', tickets) + redis.call('EXISTS', waiting) + redis.call('EXISTS', claims)
  + redis.call('EXISTS', leases) + redis.call('EXISTS', matches) + redis.call('EXISTS', results) + redis.call('EXISTS', forget)
  + redis.call('XLEN', outbox) + redis.call('XLEN', dead) + redis.call('XLEN', later)
if left > 0 then
  return { 'IN_USE' }
end
redis.call('DEL', outbox)
redis.call('DEL', dead)
redis.call('DEL', later)
redis.call('DEL', seen)
redis.call('DEL', lobbies)
redis.call('DEL', paces)
redis.call('DEL', waits)
redis.call('DEL', stats)
redis.call('DEL', runs)
return { 'REMOVED' }
