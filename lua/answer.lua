-- answer: a party says something to a match that asks (checking -> proposed | confirmed, proposed -> confirmed | dropped).
--
-- KEYS[1] tickets hash: ticket -> record
-- KEYS[2] seen    zset: ticket -> when its party was last heard of, ms
-- KEYS[3] claims  hash: ticket -> match that holds it
-- KEYS[4] matches hash: match -> record
-- KEYS[5] leases  zset: match -> until when it holds its tickets, ms
-- KEYS[6] results hash: ticket -> outcome
-- KEYS[7] forget  zset: ticket or match -> when its outcome may go, ms
-- KEYS[8] stats   hash: counters and recent wait percentiles
-- KEYS[9] outbox  stream: what the outside must hear
-- KEYS[10] lobbies zset: match -> number of its lobby
-- KEYS[11] paces  zset: player -> until when the player has asked ahead, ms
-- ARGV[1] now_ms
-- ARGV[2] forget_ms
-- ARGV[3] outbox_max entries, 0 for no outbox
-- ARGV[4] match
-- ARGV[5] player
-- ARGV[6] word: pong | accept | decline
-- ARGV[7] proposed_until_ms, of a match whose check is passed; 0 to confirm it
-- ARGV[8] lobbies_max
-- ARGV[9] numbers of lobbies that there are
-- ARGV[10] bytes_max of the outbox, taking all entries for as long as the one that comes
-- ARGV[11] rate_every_ms, one call for each; 0 to count nothing
-- ARGV[12] rate_burst, calls at once
-- Returns {"NOTED", state} | {"BEFORE", state} | {"TOO_LATE"} | {"UNKNOWN"} | {"RATE_LIMITED", retry_ms}
-- Limits  tickets <= PLAYERS_PER_MATCH_MAX, lobbies <= LOBBIES_MAX
--
-- The lease is the time to answer. The last yes confirms in the same call, so that all parties are matched or none. A no
-- ends the lease with a verdict; reclaim takes the match apart. What was said BEFORE changes nothing.

local tickets, seen, claims, matches, leases, results, forget, stats, outbox, lobbies, paces =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local now_ms, forget_ms, outbox_max, match, player, word = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local proposed_until_ms, lobbies_max, numbers = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local bytes_max, rate_every_ms, rate_burst = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])

-- A pong was asked for, often by another call of the same player: it is counted there.
local wait_ms = word == 'pong' and 0 or early_ms(paces, player, now_ms, rate_every_ms, rate_burst)
if wait_ms > 0 then return { 'RATE_LIMITED', wait_ms } end

local text = redis.call('HGET', matches, match)
local record = text and cjson.decode(text) or { teams = {} }
local own, members = nil, members_of(record)
for _, member in ipairs(members) do
  own = has(member.players, player) and member or own
end
if not own then return { 'UNKNOWN' } end
local state, verdict = record.state, (record.verdicts or {})[own.ticket]
local asked = word == 'pong' and 'checking' or 'proposed'
if (word == 'accept' and state == 'confirmed') or (word == 'decline' and verdict == 'declined')
  or (word == 'pong' and (state == 'proposed' or state == 'confirmed')) then
  return { 'BEFORE', state }
end
if state ~= asked or tonumber(redis.call('ZSCORE', leases, match) or 0) <= now_ms then
  return { 'TOO_LATE' }
end
redis.call('ZADD', seen, 'XX', 'GT', now_ms, own.ticket)
if word ~= 'decline' and (own.ready or has(own.heard, player)) then return { 'BEFORE', state } end

-- Each phone of a party is asked whether it is there, and any player says whether the party plays.
own.ready = word == 'accept' or nil
if word == 'pong' then hear(own, player) end
local open = 0
for _, member in ipairs(members) do
  open = open + (member.ready and 0 or 1)
end
local kind = nil
if word == 'decline' then
  record.state, record.verdicts, record.declined_by = 'dropped', { [own.ticket] = 'declined' }, player
  redis.call('ZADD', leases, 0, match)
elseif open == 0 and asked == 'checking' and proposed_until_ms > 0 then
  kind, record.state, record.deadline_ms = 'asked', 'proposed', proposed_until_ms
  redis.call('ZADD', leases, proposed_until_ms, match)
elseif open == 0 then
  kind, record.state, record.deadline_ms = 'matched', 'confirmed', nil
  if redis.call('ZCARD', lobbies) < lobbies_max then
    record.lobby = redis.call('HINCRBY', stats, 'lobbies', 1) % numbers
    redis.call('ZADD', lobbies, record.lobby, match)
  end
  redis.call('ZREM', leases, match)
  redis.call('ZADD', forget, forget_ms, match)
  redis.call('HINCRBY', stats, 'matched', #members)
end
for _, member in ipairs(kind and members or {}) do
  member.ready, member.heard = nil, nil
end
text = cjson.encode(record)
redis.call('HSET', matches, match, text)
local entry = kind and tell(outbox, outbox_max, bytes_max, kind, match, text) or nil
for _, member in ipairs(kind == 'matched' and members or {}) do
  redis.call('HDEL', tickets, member.ticket)
  redis.call('HDEL', claims, member.ticket)
  redis.call('ZREM', seen, member.ticket)
  redis.call('HSET', results, member.ticket, cjson.encode({ status = 'matched', match = match, entry = entry }))
  redis.call('ZADD', forget, forget_ms, member.ticket)
end
return { 'NOTED', record.state }
