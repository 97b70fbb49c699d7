-- poll: reads where a ticket is, as one of its players; reading is proof of life.
--
-- KEYS    tickets, last_seen, claims, matches, leases, results, retention, stats, outbox, paces
-- ARGV    now_ms; ticket; player; rate_every_ms, 0 to count nothing; rate_burst, calls at once
-- Returns {"WAITING", record, p50, p90} | {"CLAIMED", record, match, match record, lease_ms, p50, p90}
--         | {"SETTLING", outcome, match record, retention_ms} | {"ENDED", outcome, match record} | {"UNKNOWN"}
--         | {"RATE_LIMITED", retry_ms}
-- Limits  O(log n)
--
-- A match that the ledger has not heard of is SETTLING: its entry is still in the outbox.
-- A player who asks too often is heard of all the same: a phone that is out of step must not be taken for one that is gone.
-- Another player's live ticket is UNKNOWN, and is not refreshed. Whose a finished one was stands in what is returned.

local tickets, last_seen, claims, matches, leases, results, retention, stats, outbox, paces = unpack(KEYS)
local now_ms, ticket, player = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local rate_every_ms, rate_burst = tonumber(ARGV[4]), tonumber(ARGV[5])

local wait_ms = early_ms(paces, player, now_ms, rate_every_ms, rate_burst)
local outcome = redis.call('HGET', results, ticket)
if outcome and wait_ms == 0 then
  local finished = cjson.decode(outcome)
  local record = finished.match and redis.call('HGET', matches, finished.match) or false
  if finished.entry and #redis.call('XRANGE', outbox, finished.entry, finished.entry) > 0 then
    return { 'SETTLING', outcome, record, redis.call('ZSCORE', retention, ticket) }
  end
  return { 'ENDED', outcome, record }
end
local record = redis.call('HGET', tickets, ticket)
local own = record and has(cjson.decode(record)[1], player)
if own then redis.call('ZADD', last_seen, 'XX', 'GT', now_ms, ticket) end
if wait_ms > 0 then return { 'RATE_LIMITED', wait_ms } end
if not own then return { 'UNKNOWN' } end
local wait = redis.call('HMGET', stats, 'wait_p50', 'wait_p90')
local match = redis.call('HGET', claims, ticket)
if match then
  local held = redis.call('HGET', matches, match)
  return { 'CLAIMED', record, match, held, redis.call('ZSCORE', leases, match), wait[1], wait[2] }
end
return { 'WAITING', record, wait[1], wait[2] }
