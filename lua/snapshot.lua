-- snapshot: reads a page of those who wait, first in line first. Claims nothing.
--
-- KEYS[1] tickets hash: ticket -> record
-- KEYS[2] waiting zset: ticket -> order, smaller is earlier
-- KEYS[3] seen    zset: ticket -> when its party was last heard of, ms
-- ARGV[1] offset, tickets to pass over
-- ARGV[2] limit, tickets to read
-- Returns {"SNAPSHOT", {ticket, ...}, {record, ...}, {seen_ms, ...}}
-- Limits  O(log n + limit); limit <= SNAPSHOT_PAGE_TICKETS

local tickets, waiting, seen = KEYS[1], KEYS[2], KEYS[3]
local offset, limit = tonumber(ARGV[1]), tonumber(ARGV[2])

-- ZRANGE counts a negative end from behind: 0 to -1 would be everybody.
local ids = limit > 0 and redis.call('ZRANGE', waiting, offset, offset + limit - 1) or {}
if #ids == 0 then
  return { 'SNAPSHOT', {}, {}, {} }
end
return {
  'SNAPSHOT', ids, redis.call('HMGET', tickets, unpack(ids)), redis.call('ZMSCORE', seen, unpack(ids)),
}
