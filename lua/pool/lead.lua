-- lead: one matcher at a time works a pool, for economy only. Safety never rests on it.
--
-- KEYS    leader, waiting, leases, stats, runs
-- ARGV    token, one that begins with guest: makes way for those who reach for guests; ttl_ms; now_ms;
--         reach: look takes nothing, work takes a pool with work that has no leader, guests also one that a guest leads, any any free one;
--         minute_ms, how old the counters become; ...names and values that a leader wants remembered
-- Returns {"LEADING", tickets in line, open matches} | {"FOLLOWING", the same} | {"FREE", the same}
-- Limits  constant work
--
-- Work is a ticket in line or a match that is not confirmed. A leader leads on whatever its reach.

local leader, waiting, leases, stats, runs = unpack(KEYS)
local token, ttl_ms, now_ms, reach, minute_ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])

local held = redis.call('GET', leader)
local line, open = redis.call('ZCARD', waiting), redis.call('ZCARD', leases)
local takes = held == token
if not takes and reach ~= 'look' and (reach == 'any' or line + open > 0) then
  takes = not held or (reach == 'guests' and string.sub(held, 1, 6) == 'guest:')
end
if not takes then return { held and 'FOLLOWING' or 'FREE', line, open } end
redis.call('SET', leader, token, 'PX', ttl_ms)
if #ARGV > 5 then
  redis.call('HSET', runs, unpack(ARGV, 6))
  local minute = redis.call('HGET', runs, 'minute')
  if not minute or cjson.decode(minute)[1] + minute_ms <= now_ms then
    local count = { now_ms }
    for i, total in ipairs(redis.call('HMGET', stats, 'joined', 'matched', 'cancelled', 'expired')) do
      count[i + 1] = tonumber(total or 0)
    end
    local fresh = cjson.encode(count)
    redis.call('HSET', runs, 'minute', fresh, 'minute_before', minute or fresh)
  end
end
return { 'LEADING', line, open }
