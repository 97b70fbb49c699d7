-- drop: a match that holds its tickets gives up (forming | checking | proposed -> dropped).
--
-- KEYS    claims, matches, leases
-- ARGV    now_ms; match; ...pairs of ticket and reason: tickets that must end instead of waiting again
-- Returns {"DROPPED"} | {"LEASE_LOST"}
-- Limits  tickets <= PLAYERS_PER_MATCH_MAX
--
-- It only decides: the verdicts go into the record and the lease ends now. reclaim, the one place that takes matches apart,
-- does the rest; if the caller dies before it calls reclaim, the next tick does.

local claims, matches, leases = unpack(KEYS)
local now_ms, match = tonumber(ARGV[1]), ARGV[2]

local text = redis.call('HGET', matches, match)
local lease = tonumber(redis.call('ZSCORE', leases, match) or -1)
local record = text and cjson.decode(text) or {}
if lease <= now_ms and not (lease == 0 and record.state == 'dropped') then return { 'LEASE_LOST' } end
local verdicts = record.verdicts or {}
for i = 3, #ARGV, 2 do
  if redis.call('HGET', claims, ARGV[i]) == match then verdicts[ARGV[i]] = ARGV[i + 1] end
end
record.state = 'dropped'
record.verdicts = next(verdicts) and verdicts or nil -- cjson may write an empty table as an object or as a list
redis.call('HSET', matches, match, cjson.encode(record))
redis.call('ZADD', leases, 0, match)
return { 'DROPPED' }
