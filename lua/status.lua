-- status: what stands in a pool, for operators.
--
-- KEYS[1] waiting zset: ticket -> order, smaller is earlier
-- KEYS[2] claims  hash: ticket -> match that holds it
-- KEYS[3] leases  zset: match -> until when it holds its tickets, ms
-- KEYS[4] stats   hash: counters and recent wait percentiles
-- KEYS[5] leader  string: token of the matcher that leads, with a time to live
-- KEYS[6] outbox  stream: what the outside must hear
-- KEYS[7] tickets hash: ticket -> record
-- Returns {"STATUS", waiting, claimed, open matches, outbox entries, leader, record of the first in line, {stat, value, ...},
--          id of the oldest outbox entry}
-- Limits  constant work

local waiting, claims, leases, stats, leader, outbox, tickets =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]

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
}
