-- lobby: finds the match that meets in a lobby.
--
-- KEYS    matches, lobbies
-- ARGV    number
-- Returns {"FOUND", match, match record} | {"UNKNOWN"}
-- Limits  O(log n)

local matches, lobbies = unpack(KEYS)
local number = ARGV[1]

local match = redis.call('ZRANGEBYSCORE', lobbies, number, number, 'LIMIT', 0, 1)[1]
local record = match and redis.call('HGET', matches, match)
if not record then return { 'UNKNOWN' } end
return { 'FOUND', match, record }
