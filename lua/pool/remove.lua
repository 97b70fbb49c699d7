-- remove: a pool that the rules no longer name leaves nothing behind.
--
-- KEYS    tickets, waiting, claims, leases, matches, results, retention, outbox, dead_letters, later, last_seen, lobbies,
--         paces, waits, stats, runs
-- Returns {"REMOVED"} | {"IN_USE"}
-- Limits  O(n), n players who have asked ahead; waits <= RECENT_WAITS_MAX
--
-- IN_USE while anything in the pool may still matter to a player or to the outside; then nothing changes. The leader's key ends
-- by itself. A pool that is used again begins anew, as after a loss of Redis. A stream outlives its last entry, so its length counts.

local tickets, waiting, claims, leases, matches, results, retention, outbox, dead_letters, later, last_seen, lobbies,
  paces, waits, stats, runs = unpack(KEYS)

local left = redis.call('EXISTS', tickets) + redis.call('EXISTS', waiting) + redis.call('EXISTS', claims)
  + redis.call('EXISTS', leases) + redis.call('EXISTS', matches) + redis.call('EXISTS', results) + redis.call('EXISTS', retention)
  + redis.call('XLEN', outbox) + redis.call('XLEN', dead_letters) + redis.call('XLEN', later)
if left > 0 then return { 'IN_USE' } end
redis.call('DEL', outbox)
redis.call('DEL', dead_letters)
redis.call('DEL', later)
redis.call('DEL', last_seen)
redis.call('DEL', lobbies)
redis.call('DEL', paces)
redis.call('DEL', waits)
redis.call('DEL', stats)
redis.call('DEL', runs)
return { 'REMOVED' }
