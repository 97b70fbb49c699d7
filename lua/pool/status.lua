-- status: what stands in a pool, for operators and for the sweeper.
--
-- KEYS    waiting, claims, leases, stats, leader, outbox, tickets, dead_letters, retention, runs
-- ARGV    look_max, tickets in front that are read to find the one that has waited longest;
--         ...names and values that a job wants remembered
-- Returns {"STATUS", waiting, claimed, open matches, outbox entries, leader, when the oldest in line joined, {stat, value, ...},
--          id of the oldest outbox entry, dead letters, outcomes remembered, {name, value, ...} of runs}
-- Limits  look_max <= OLDEST_LOOK_MAX
--
-- A ticket stands in front of its joining time if a match fell through under it, never behind. So the oldest is found once the
-- next order is no earlier than the earliest joining time so far: mostly at the first ticket.

local waiting, claims, leases, stats, leader, outbox, tickets, dead_letters, retention, runs = unpack(KEYS)
local look_max = tonumber(ARGV[1])

if #ARGV > 1 then redis.call('HSET', runs, unpack(ARGV, 2)) end
local joined_ms
for at = 0, look_max - 1 do
  local ticket = redis.call('ZRANGE', waiting, at, at, 'WITHSCORES')
  if #ticket == 0 or (joined_ms and tonumber(ticket[2]) >= joined_ms) then break end
  local record = ticket_of(redis.call('HGET', tickets, ticket[1]))
  local since_ms = tonumber(record and record[3] or ticket[2])
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
  redis.call('XLEN', dead_letters),
  redis.call('ZCARD', retention),
  redis.call('HGETALL', runs),
}
