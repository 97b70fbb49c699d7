-- waits: remembers how long the latest matched tickets waited, and what a newcomer may expect.
--
-- KEYS    waits, stats
-- ARGV    keep, how many of the latest count; ...waits, ms
-- Returns {"NOTED"}
-- Limits  keep <= RECENT_WAITS_MAX, and no more waits than that
--
-- Percentiles by nearest rank, computed when a match is made and not when a phone asks: phones ask far more often.

local waits, stats = unpack(KEYS)
local keep = tonumber(ARGV[1])

redis.call('LPUSH', waits, unpack(ARGV, 2))
redis.call('LTRIM', waits, 0, keep - 1)
local sorted = {}
for i, wait_ms in ipairs(redis.call('LRANGE', waits, 0, -1)) do
  sorted[i] = tonumber(wait_ms)
end
table.sort(sorted)
local function percentile(p)
  return sorted[math.max(1, math.ceil(#sorted * p / 100))]
end
redis.call('HSET', stats, 'wait_p50', percentile(50), 'wait_p90', percentile(90), 'wait_p99', percentile(99))
return { 'NOTED' }
