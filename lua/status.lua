-- status: what stands in a pool, for operators and for the sweeper.
--
-- KEYS[1] waiting zset: ticket -> order, smaller is earlier
-- KEYS[2] claims  hash: ticket -> match that holds it
-- KEYS[3] leases  zset: match -> until when it holds its tickets, ms
-- KEYS[4] stats   hash: counters and recent wait percentiles
-- KEYS[5] leader  string: token of the matcher that leads, with a time to live
-- KEYS[6] outbox  stream: what the outside must hear
-- KEYS[7] tickets hash: ticket -> record
-- KEYS[8] dead    stream: what the outside could not be told
-- KEYS[9] forget  zset: ticket or match -> when its outcome may go, ms
-- KEYS[10] runs   hash: what jobs last did with the pool, and its counters a minute ago
-- ARGV[1..] names and values that a job wants remembered
-- Returns {"STATUS", waiting, claimed, open matches, outbox entries, leader, record of the first in line, {stat, value, ...},
--          id of the oldest outbox entry, entries put aside, outcomes remembered, {name, value, ...} of runs}
-- Limits  constant work

local waiting, claims, leases, stats, leader, outbox, tickets, dead, forget, runs =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]

if #ARGV > 0 then
  redis.call('HSET', runs, unpack(ARGV, 1))
end
local first = redis.call('ZRANGE', waiting, 0, 0)[1]
local oldest = redis.call('XRANGE', outbox, '-', '+', 'COUNT', 1)[1]
return {
  'STATUS',
  redis.call('ZCARD', waiting),
  redis.call('HLEN', claims),
  redis.call('ZCARD', leases),
  redis.call('XLEN', outbox),
  redis.call('GET', leader),
  first and redis.call('HGET', tickets, first) or false,
  redis.call('HGETALL', stats),
  oldest and oldest[1] or false,
  redis.call('XLEN', dead),
  redis.call('ZCARD', forget),
  redis.call('HGETALL', runs),
}
