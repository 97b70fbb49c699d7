-- cancel: a player takes a ticket back (waiting -> cancelled).
--
-- KEYS[1] tickets hash: ticket -> record [players, rating, joined_ms, expires_ms, attempts, push?, imported?]
-- KEYS[2] waiting zset: ticket -> order, smaller is earlier
-- KEYS[3] seen    zset: ticket -> when its party was last heard of, ms
-- KEYS[4] claims  hash: ticket -> match that holds it
-- KEYS[5] matches hash: match -> record
-- KEYS[6] results hash: ticket -> outcome
-- KEYS[7] forget  zset: ticket or match -> when its outcome may go, ms
-- KEYS[8] stats   hash: counters and recent wait percentiles
-- KEYS[9] outbox  stream: what the outside must hear
-- KEYS[10] paces  zset: player -> until when the player has asked ahead, ms
-- ARGV[1] now_ms
-- ARGV[2] ticket
-- ARGV[3] player
-- ARGV[4] forget_ms
-- ARGV[5] outbox_max entries, 0 for no outbox
-- ARGV[6] rate_every_ms, one call for each; 0 to count nothing
-- ARGV[7] rate_burst, calls at once
-- ARGV[8] bytes_max of the outbox, taking all entries for as long as the one that comes
-- Returns {"CANCELLED"} | {"CLAIMED", match} | {"ENDED", outcome, match record} | {"UNKNOWN"}
--         | {"RATE_LIMITED", retry_ms}
-- Limits  O(log n)
--
-- A ticket that a match holds is not ended here: whoever asks drops that match first (see drop), with this ticket's reason.

local tickets, waiting, seen, claims, matches, results, forget, stats, outbox, paces =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local now_ms, ticket, player, forget_ms, outbox_max = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local rate_every_ms, rate_burst, bytes_max = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])

local wait_ms = early_ms(paces, player, now_ms, rate_every_ms, rate_burst)
if wait_ms > 0 then
  return { 'RATE_LIMITED', wait_ms }
end
local ended = redis.call('HGET', results, ticket)
if ended then
  local match = cjson.decode(ended).match
  return { 'ENDED', ended, match and redis.call('HGET', matches, match) or false }
end
local record = redis.call('HGET', tickets, ticket)
record = record and cjson.decode(record) or { {} }
if not has(record[1], player) then
  return { 'UNKNOWN' }
end
local match = redis.call('HGET', claims, ticket)
if match then
  return { 'CLAIMED', match }
end

local outcome = { status = 'cancelled', reason = 'player', ended_ms = now_ms }
local text = finish(tickets, seen, results, forget, ticket, record, outcome, forget_ms)
redis.call('ZREM', waiting, ticket)
redis.call('HINCRBY', stats, 'cancelled', 1)
tell(outbox, outbox_max, bytes_max, 'ended', ticket, text)
return { 'CANCELLED' }
