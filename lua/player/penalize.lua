-- penalize: notes that a player declined a match. reserve decides what follows from it.
--
-- KEYS    penalties
-- ARGV    ticket; at_ms; keep_ms
-- Returns {"PENALIZED"}
-- Limits  O(log n), n penalties of one player
--
-- The same ticket again changes nothing: entries of the outbox come at least once.

local penalties = unpack(KEYS)
local ticket, at_ms, keep_ms = ARGV[1], tonumber(ARGV[2]), ARGV[3]

redis.call('ZADD', penalties, at_ms, ticket)
redis.call('ZREMRANGEBYSCORE', penalties, '-inf', at_ms - keep_ms)
redis.call('PEXPIRE', penalties, keep_ms)
return { 'PENALIZED' }
