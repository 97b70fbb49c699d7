-- tombstone: asks whether a ticket lives; an unknown one can never begin to wait from here on.
--
-- KEYS    tickets, results, retention, outbox
-- ARGV    now_ms; ticket; retention_ms
-- Returns {"LIVE"} | {"DEAD"}
-- Limits  constant work
--
-- A join reserves the player before it writes the ticket, in another slot. Whoever finds a player reserved for a ticket
-- that does not exist cannot tell a crash from a slow writer; the outcome written here makes both the same.
-- A ticket in a match that the ledger has not heard of is LIVE: if the match proves void, it waits again.

local tickets, results, retention, outbox = unpack(KEYS)
local now_ms, ticket, retention_ms = tonumber(ARGV[1]), ARGV[2], ARGV[3]

if redis.call('HEXISTS', tickets, ticket) == 1 then return { 'LIVE' } end
local result = redis.call('HGET', results, ticket)
local entry = result and cjson.decode(result).entry
if entry and #redis.call('XRANGE', outbox, entry, entry) > 0 then return { 'LIVE' } end
if not result then entomb(results, retention, ticket, now_ms, retention_ms) end
return { 'DEAD' }
