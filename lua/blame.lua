-- blame: a player refused a match. Told by whoever carries the outbox; what follows from it, reserve decides.
--
-- KEYS[1] blame zset: ticket -> when its match was refused, ms
-- ARGV[1] ticket
-- ARGV[2] at_ms
-- ARGV[3] keep_ms
-- Returns {"BLAMED"}
-- Limits  O(log n), n refusals of one player
--
-- The same ticket again changes nothing: news come at least once.

local blame = KEYS[1]
local ticket, at_ms, keep_ms = ARGV[1], tonumber(ARGV[2]), ARGV[3]

redis.call('ZADD', blame, at_ms, ticket)
redis.call('ZREMRANGEBYSCORE', blame, '-inf', at_ms - keep_ms)
redis.call('PEXPIRE', blame, keep_ms)
return { 'BLAMED' }
