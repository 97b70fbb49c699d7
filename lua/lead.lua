-- lead: one matcher at a time works a pool, for economy only. Safety never rests on it.
--
-- KEYS[1] leader string: token of the matcher that leads, with a time to live
-- ARGV[1] token
-- ARGV[2] ttl_ms
-- Returns {"LEADING"} | {"FOLLOWING"}
-- Limits  constant work

local leader = KEYS[1]
local token, ttl_ms = ARGV[1], ARGV[2]

local held = redis.call('GET', leader)
if held and held ~= token then
  return { 'FOLLOWING' }
end
redis.call('SET', leader, token, 'PX', ttl_ms)
return { 'LEADING' }
