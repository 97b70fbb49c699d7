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
-- ARGV[1] look_max, tickets in front that are read to find the one that has waited longest
-- ARGV[2..] names and values that a job wants remembered
-- Returns {"STATUS", waiting, claimed, open matches, outbox entries, leader, when the oldest in line joined, {stat, value, ...},
--          id of the oldest outbox entry, entries put aside, outcomes remembered, {name, value, ...} of runs}
-- Limits  look_max <= OLDEST_LOOK_MAX
--
-- A ticket stands in front of its joining time if a match fell through under it, never behind. So the oldest is found once the
-- next order is no earlier than the earliest joining time so far: mostly at the first ticket.

local waiting, claims, leases, stats, leader, outbox, tickets, dead, forget, runs =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]

if #ARGV > 1 then
  redis.call('HSET', runs, unpack(ARGV, 2))
end
local joined_ms
for at = 0, ARGV[1] - 1 do
  local ticket = redis.call('ZRANGE', waiting, at, at, 'WITHSCORES')
  if #ticket == 0 or (joined_ms and tonumber(ticket[2]) >= joined_ms) then break end
  -- A record that cannot be read is a later version's.
  local fine, record = pcall(cjson.decode, redis.call('HGET', tickets, ticket[1]) or '')
  local since_ms = fine and type(record) == 'table' and tonumber(record[3]) or tonumber(ticket[2])
  joined_ms = math.min(joined_ms or since_ms, since_ms)
end
local oldest = redis.call('XRANGE', outbox, '-', '+', 'COUNT', 1)[1]
return {
  'STATUS',
  redis.call('ZCARD', waiting),
  redis.call('HLEN', claims),
  redis.call('ZCARD', leases),
  redis.call('XLEN', outbox),
  redis.call('GET', leader),
  joined_ms and string.format('%.0f', joined_ms) or false,
  redis.call('HGETALL', stats),
  oldest and oldest[1] or false,
  redis.call('XLEN', dead),
  redis.call('ZCARD', forget),
  redis.call('HGETALL', runs),
}
