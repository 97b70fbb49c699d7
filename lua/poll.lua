-- poll: reads where a ticket is, as one of its players; reading is proof of life.
--
-- KEYS[1] tickets hash: ticket -> record [players, rating, joined_ms, expires_ms, attempts]
-- KEYS[2] seen    zset: ticket -> when its party was last heard of, ms
-- KEYS[3] claims  hash: ticket -> match that holds it
-- KEYS[4] matches hash: match -> record
-- KEYS[5] leases  zset: match -> until when it holds its tickets, ms
-- KEYS[6] results hash: ticket -> outcome
-- KEYS[7] forget  zset: ticket or match -> when its outcome may go, ms
-- KEYS[8] stats   hash: counters and recent wait percentiles
-- KEYS[9] outbox  stream: what the outside must hear
-- KEYS[10] paces  zset: player -> until when the player has asked ahead, ms
-- ARGV[1] now_ms
-- ARGV[2] ticket
-- ARGV[3] player
-- ARGV[4] rate_every_ms, one call for each; 0 to count nothing
-- ARGV[5] rate_burst, calls at once
-- Returns {"WAITING", record, p50, p90} | {"CLAIMED", record, match, match record, lease_ms, p50, p90}
--         | {"SETTLING", outcome, match record, forget_ms} | {"ENDED", outcome, match record} | {"UNKNOWN"}
--         | {"RATE_LIMITED", retry_ms}
-- Limits  O(log n)
--
-- A match that the ledger has not heard of is SETTLING: its entry is still in the outbox.
-- Who asks too often is heard of all the same: a phone that is out of step must not be taken for one that is gone.
-- A live ticket of somebody else is UNKNOWN, and is not refreshed. Whose a finished one was stands in what is returned.

local tickets, seen, claims, matches, leases, results, forget, stats, outbox, paces =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local now_ms, ticket, player = ARGV[1], ARGV[2], ARGV[3]
local rate_every_ms, rate_burst = tonumber(ARGV[4]), tonumber(ARGV[5])

local wait_ms = early_ms(paces, player, tonumber(now_ms), rate_every_ms, rate_burst)
local outcome = redis.call('HGET', results, ticket)
if outcome and wait_ms == 0 then
  local over = cjson.decode(outcome)
  local game = over.match and redis.call('HGET', matches, over.match) or false
  if over.entry and #redis.call('XRANGE', outbox, over.entry, over.entry) > 0 then
    return { 'SETTLING', outcome, game, redis.call('ZSCORE', forget, ticket) }
  end
  return { 'ENDED', outcome, game }
end
local record = redis.call('HGET', tickets, ticket)
local own = record and has(cjson.decode(record)[1], player)
if own then
  redis.call('ZADD', seen, 'XX', 'GT', now_ms, ticket)
end
if wait_ms > 0 then
  return { 'RATE_LIMITED', wait_ms }
end
if not own then
  return { 'UNKNOWN' }
end
local wait = redis.call('HMGET', stats, 'wait_p50', 'wait_p90')
local match = redis.call('HGET', claims, ticket)
if match then
  local held = redis.call('HGET', matches, match)
  return { 'CLAIMED', record, match, held, redis.call('ZSCORE', leases, match), wait[1], wait[2] }
end
return { 'WAITING', record, wait[1], wait[2] }
