-- reserve: reserves a player for one ticket. The first step of a join, in the player's own slot.
--
-- KEYS    player, penalties, rate
-- ARGV    ticket that asks; dead, a ticket whose place it may take, or empty; ttl_ms; now_ms;
--         cooldown_after, so many penalties are too many, 0 to let everybody in; cooldown_ms;
--         rate_every_ms, 0 to count nothing; rate_burst, calls at once
-- Returns {"RESERVED"} | {"HELD", ticket} | {"COOLING_DOWN", until_ms} | {"RATE_LIMITED", retry_ms}
-- Limits  O(log n), n penalties of one player
--
-- The rate is a token bucket (see lib/bucket).

local player, penalties, rate = unpack(KEYS)
local ticket, dead, ttl_ms, now_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local cooldown_after, cooldown_ms = tonumber(ARGV[5]), tonumber(ARGV[6])
local rate_every_ms, rate_burst = tonumber(ARGV[7]), tonumber(ARGV[8])

if rate_every_ms > 0 then
  local full_ms, wait_ms = ask(redis.call('GET', rate), now_ms, rate_every_ms, rate_burst)
  if wait_ms > 0 then return { 'RATE_LIMITED', wait_ms } end
  redis.call('SET', rate, string.format('%.0f', full_ms), 'PX', full_ms - now_ms)
end
local held = redis.call('GET', player)
if held and held ~= ticket and held ~= dead then return { 'HELD', held } end
if cooldown_after > 0 and held ~= ticket then
  local since_ms = string.format('(%.0f', now_ms - cooldown_ms)
  if redis.call('ZCOUNT', penalties, since_ms, '+inf') >= cooldown_after then
    local last_ms = tonumber(redis.call('ZRANGE', penalties, -1, -1, 'WITHSCORES')[2])
    return { 'COOLING_DOWN', last_ms + cooldown_ms }
  end
end
redis.call('SET', player, ticket, 'PX', ttl_ms)
return { 'RESERVED' }
