-- drop: a match that holds its tickets gives up (forming|proposed -> dropped).
--
-- KEYS[1] claims  hash: ticket -> match that holds it
-- KEYS[2] matches hash: match -> record
-- KEYS[3] leases  zset: match -> until when it holds its tickets, ms
-- ARGV[1] now_ms
-- ARGV[2] match
-- ARGV[3..] pairs of ticket and reason: tickets that must end instead of waiting again
-- Returns {"DROPPED"} | {"LEASE_LOST"}
-- Limits  tickets <= PLAYERS_PER_MATCH_MAX
--
-- It only decides: the verdicts go into the record and the lease ends now. reclaim, the one place that takes matches apart,
-- does the rest; if the caller dies before it calls reclaim, the next tick does.

local claims, matches, leases = KEYS[1], KEYS[2], KEYS[3]
local now_ms, match = tonumber(ARGV[1]), ARGV[2]

local text = redis.call('HGET', matches, match)
local lease = tonumber(redis.call('ZSCORE', leases, match) or -1)
local record = text and cjson.decode(text) or {}
if lease <= now_ms and not (lease == 0 and record.state == 'dropped') then
  return { 'LEASE_LOST' }
end
record.state = 'dropped'
record.verdicts = record.verdicts or {}
for i = 3, #ARGV, 2 do
  if redis.call('HGET', claims, ARGV[i]) == match then
    record.verdicts[ARGV[i]] = ARGV[i + 1]
  end
end
if next(record.verdicts) == nil then
  record.verdicts = nil -- cjson would write an empty table as an object or a list, as it pleases
end
redis.call('HSET', matches, match, cjson.encode(record))
redis.call('ZADD', leases, 0, match)
return { 'DROPPED' }
