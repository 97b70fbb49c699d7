-- lobby: finds the match that meets in a lobby.
--
-- KEYS[1] matches hash: match -> record
-- KEYS[2] lobbies zset: match -> number of its lobby
-- ARGV[1] number
-- Returns {"FOUND", match, match record} | {"UNKNOWN"}
-- Limits  O(log n)

local matches, lobbies = KEYS[1], KEYS[2]
local number = ARGV[1]

local match = redis.call('ZRANGEBYSCORE', lobbies, number, number, 'LIMIT', 0, 1)[1]
local record = match and redis.call('HGET', matches, match)
if not record then
  return { 'UNKNOWN' }
end
return { 'FOUND', match, record }
