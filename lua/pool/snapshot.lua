-- snapshot: reads a page of those who wait, first in line first. Claims nothing.
--
-- KEYS    tickets, waiting, last_seen
-- ARGV    offset, tickets to pass over; limit, tickets to read
-- Returns {"SNAPSHOT", {ticket, ...}, {record, ...}, {last_seen_ms, ...}}
-- Limits  O(log n + limit); limit <= SNAPSHOT_PAGE_TICKETS

local tickets, waiting, last_seen = unpack(KEYS)
local offset, limit = tonumber(ARGV[1]), tonumber(ARGV[2])

-- ZRANGE counts a negative end from behind: 0 to -1 would be everybody.
local ids = limit > 0 and redis.call('ZRANGE', waiting, offset, offset + limit - 1) or {}
if #ids == 0 then return { 'SNAPSHOT', {}, {}, {} } end
return { 'SNAPSHOT', ids, redis.call('HMGET', tickets, unpack(ids)), redis.call('ZMSCORE', last_seen, unpack(ids)) }
