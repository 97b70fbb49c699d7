-- reserve: a player is spoken for by one ticket. The first step of a join, in the player's own slot.
--
-- KEYS[1] player string: the player's ticket, with a time to live
-- ARGV[1] ticket that asks
-- ARGV[2] ticket known to be dead whose place it may take, or empty
-- ARGV[3] ttl_ms
-- Returns {"RESERVED"} | {"HELD", ticket}
-- Limits  constant work

local player = KEYS[1]
local ticket, dead, ttl_ms = ARGV[1], ARGV[2], ARGV[3]

local held = redis.call('GET', player)
if held and held ~= ticket and held ~= dead then
  return { 'HELD', held }
end
redis.call('SET', player, ticket, 'PX', ttl_ms)
return { 'RESERVED' }
