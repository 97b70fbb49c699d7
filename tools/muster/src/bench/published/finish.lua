-- finish: makes a match of two claimed tickets.
--
-- KEYS[1] claimed zset: ticket -> when it was claimed, ms
-- KEYS[2] tickets hash: ticket -> record
-- KEYS[3] matches hash: match -> record
-- KEYS[4] players hash: ticket -> match, so that a phone finds it
-- ARGV[1] match
-- ARGV[2] its record
-- ARGV[3] ticket
-- ARGV[4] ticket
-- Returns 1, or 0 if one of them is not claimed any more

local held = redis.call('ZMSCORE', KEYS[1], ARGV[3], ARGV[4])
if not held[1] or not held[2] then
  return 0
end
redis.call('ZREM', KEYS[1], ARGV[3], ARGV[4])
redis.call('HDEL', KEYS[2], ARGV[3], ARGV[4])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[4], ARGV[3], ARGV[1], ARGV[4], ARGV[1])
return 1
