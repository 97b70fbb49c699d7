-- unreserve: a join that came to nothing gives its player back.
--
-- KEYS[1] player string: the player's ticket, with a time to live
-- ARGV[1] ticket that asked
-- Returns {"UNRESERVED"} | {"HELD"}
-- Limits  constant work

local player = KEYS[1]
local ticket = ARGV[1]

if redis.call('GET', player) ~= ticket then
  return { 'HELD' }
end
redis.call('DEL', player)
return { 'UNRESERVED' }
