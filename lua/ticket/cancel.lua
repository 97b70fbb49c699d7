-- cancel: a player takes a ticket back (waiting -> cancelled).
--
-- KEYS    tickets, waiting, last_seen, claims, matches, results, retention, stats, outbox, paces
-- ARGV    now_ms; ticket; player; retention_ms; outbox_max, 0 for no outbox; bytes_max of the outbox;
--         rate_every_ms, 0 to count nothing; rate_burst, calls at once
-- Returns {"CANCELLED"} | {"CLAIMED", match} | {"ENDED", outcome, match record} | {"UNKNOWN"}
--         | {"RATE_LIMITED", retry_ms}
-- Limits  O(log n)
--
-- A ticket that a match holds is not ended here: the caller drops that match first (see drop), with this ticket's reason.

local tickets, waiting, last_seen, claims, matches, results, retention, stats, outbox, paces = unpack(KEYS)
local now_ms, ticket, player, retention_ms = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local outbox_max, bytes_max = tonumber(ARGV[5]), tonumber(ARGV[6])
local rate_every_ms, rate_burst = tonumber(ARGV[7]), tonumber(ARGV[8])

local wait_ms = early_ms(paces, player, now_ms, rate_every_ms, rate_burst)
if wait_ms > 0 then return { 'RATE_LIMITED', wait_ms } end
local ended = redis.call('HGET', results, ticket)
if ended then
  local match = cjson.decode(ended).match
  return { 'ENDED', ended, match and redis.call('HGET', matches, match) or false }
end
local text = redis.call('HGET', tickets, ticket)
local record = text and cjson.decode(text) or { {} }
if not has(record[1], player) then return { 'UNKNOWN' } end
local match = redis.call('HGET', claims, ticket)
if match then return { 'CLAIMED', match } end
local outcome = { status = 'cancelled', reason = 'player', ended_ms = now_ms }
end_ticket(
  tickets, waiting, last_seen, results, retention, stats, outbox, ticket, record, outcome, retention_ms, outbox_max, bytes_max)
return { 'CANCELLED' }
