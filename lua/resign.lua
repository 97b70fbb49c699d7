-- resign: a matcher that leaves lets the next one lead at once.
--
-- KEYS[1] leader string: token of the matcher that leads, with a time to live
-- ARGV[1] token
-- Returns {"RESIGNED"} | {"FOLLOWING"}
-- Limits  constant work

local leader = KEYS[1]
local token = ARGV[1]

if redis.call('GET', leader) ~= token then
  return { 'FOLLOWING' }
end
redis.call('DEL', leader)
return { 'RESIGNED' }
