-- claim: takes those with the lowest ratings out of the line.
--
-- KEYS[1] queue   zset: ticket -> rating
-- KEYS[2] claimed zset: ticket -> when it was claimed, ms
-- ARGV[1] limit
-- ARGV[2] now_ms
-- Returns the tickets

local ids = redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1)
if #ids == 0 then
  return ids
end
redis.call('ZREM', KEYS[1], unpack(ids))
local claims = {}
for _, id in ipairs(ids) do
  claims[#claims + 1], claims[#claims + 2] = ARGV[2], id
end
redis.call('ZADD', KEYS[2], unpack(claims))
return ids
