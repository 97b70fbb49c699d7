-- reserve: a player is spoken for by one ticket. The first step of a join, in the player's own slot.
--
-- KEYS[1] player string: the player's ticket, with a time to live
-- KEYS[2] blame  zset: ticket -> when its match was refused, ms
-- KEYS[3] rate   string: until when the player has asked ahead, ms
-- ARGV[1] ticket that asks
-- ARGV[2] ticket known to be dead whose place it may take, or empty
-- ARGV[3] ttl_ms
-- ARGV[4] now_ms
-- ARGV[5] cooldown_after, so many refusals are too many; 0 to let everybody in
-- ARGV[6] cooldown_ms
-- ARGV[7] rate_every_ms, one ask for each; 0 to count nothing
-- ARGV[8] rate_burst, asks at once
-- Returns {"RESERVED"} | {"HELD", ticket} | {"COOLING_DOWN", until_ms} | {"RATE_LIMITED", retry_ms}
-- Limits  O(log n), n refusals of one player
--
-- The rate is a token bucket (see lib/bucket).

local player, blame, rate = KEYS[1], KEYS[2], KEYS[3]
local ticket, dead, ttl_ms, now_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local cooldown_after, cooldown_ms = tonumber(ARGV[5]), tonumber(ARGV[6])
local rate_every_ms, rate_burst = tonumber(ARGV[7]), tonumber(ARGV[8])

if rate_every_ms > 0 then
  local full_ms, wait_ms = ask(redis.call('GET', rate), now_ms, rate_every_ms, rate_burst)
  if wait_ms > 0 then
    return { 'RATE_LIMITED', wait_ms }
  end
  redis.call('SET', rate, string.format('%.0f', full_ms), 'PX', full_ms - now_ms)
end
local held = redis.call('GET', player)
if held and held ~= ticket and held ~= dead then
  return { 'HELD', held }
end
if cooldown_after > 0 and held ~= ticket then
  local since_ms = string.format('(%.0f', now_ms - cooldown_ms)
  if redis.call('ZCOUNT', blame, since_ms, '+inf') >= cooldown_after then
    local last_ms = tonumber(redis.call('ZRANGE', blame, -1, -1, 'WITHSCORES')[2])
    return { 'COOLING_DOWN', last_ms + cooldown_ms }
  end
end
redis.call('SET', player, ticket, 'PX', ttl_ms)
return { 'RESERVED' }
