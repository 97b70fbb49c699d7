-- resign: a matcher that leaves lets the next one lead at once.
--
-- KEYS[1] leader  string: token of the matcher that leads, with a time to live
-- KEYS[2] waiting zset: ticket -> order, smaller is earlier
-- KEYS[3] leases  zset: match -> until when it holds its tickets, ms
-- KEYS[4] runs    hash: what jobs last did with the pool, and its counters a minute ago
-- ARGV[1] token
-- ARGV[2] manner: leave, whatever is there; idle, unless there is work
-- ARGV[3..] names and values to be remembered
-- Returns {"RESIGNED"} | {"BUSY"} | {"FOLLOWING"}
-- Limits  constant work
--
-- Whoever lets an idle pool go must not miss a ticket that came since its last look: its doorbell has found a leader, and left.

local leader, waiting, leases, runs = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, manner = ARGV[1], ARGV[2]

if redis.call('GET', leader) ~= token then
  return { 'FOLLOWING' }
end
if manner == 'idle' and redis.call('ZCARD', waiting) + redis.call('ZCARD', leases) > 0 then
  return { 'BUSY' }
end
if #ARGV > 2 then
  redis.call('HSET', runs, unpack(ARGV, 3))
end
redis.call('DEL', leader)
return { 'RESIGNED' }
