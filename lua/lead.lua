-- lead: one matcher at a time works a pool, for economy only. Safety never rests on it.
--
-- KEYS[1] leader  string: token of the matcher that leads, with a time to live
-- KEYS[2] waiting zset: ticket -> order, smaller is earlier
-- KEYS[3] leases  zset: match -> until when it holds its tickets, ms
-- KEYS[4] stats   hash: counters and recent wait percentiles
-- KEYS[5] runs    hash: what jobs last did with the pool, and its counters a minute ago
-- ARGV[1] token; one that begins with guest: makes way for those who reach for guests
-- ARGV[2] ttl_ms
-- ARGV[3] now_ms
-- ARGV[4] reach: look takes nothing; work, a pool with work that nobody leads; guests, such a pool from a guest, too; any
-- ARGV[5] minute_ms, how old the counters become
-- ARGV[6..] names and values that a leader wants remembered
-- Returns {"LEADING", tickets in line, open matches} | {"FOLLOWING", the same} | {"FREE", the same}
-- Limits  constant work
--
-- Work is a ticket in line or a match that is not confirmed. Who leads already, leads on whatever the reach.

local leader, waiting, leases, stats, runs = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local token, ttl_ms, now_ms, reach, minute_ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])

local held = redis.call('GET', leader)
local line, open = redis.call('ZCARD', waiting), redis.call('ZCARD', leases)
local takes = held == token
if not takes and reach ~= 'look' and (reach == 'any' or line + open > 0) then
  takes = not held or (reach == 'guests' and string.sub(held, 1, 6) == 'guest:')
end
if not takes then
  return { held and 'FOLLOWING' or 'FREE', line, open }
end
redis.call('SET', leader, token, 'PX', ttl_ms)
if #ARGV > 5 then
  redis.call('HSET', runs, unpack(ARGV, 6))
  local minute = redis.call('HGET', runs, 'minute')
  if not minute or cjson.decode(minute)[1] + minute_ms <= now_ms then
    local counts = redis.call('HMGET', stats, 'joined', 'matched', 'cancelled', 'expired')
    local count = { now_ms }
    for i = 1, 4 do
      count[i + 1] = tonumber(counts[i] or 0)
    end
    local fresh = cjson.encode(count)
    redis.call('HSET', runs, 'minute', fresh, 'minute_before', minute or fresh)
  end
end
return { 'LEADING', line, open }
