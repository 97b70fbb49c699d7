-- answer: a player answers a match that asks (checking -> proposed | confirmed, proposed -> confirmed | dropped).
--
-- KEYS    tickets, last_seen, claims, matches, leases, results, retention, stats, outbox, lobbies, paces
-- ARGV    now_ms; retention_ms; outbox_max, 0 for no outbox; bytes_max of the outbox; match; player;
--         response: pong | accept | decline; proposed_until_ms, of a match whose check is passed, 0 to confirm it; lobbies_max;
--         numbers of lobbies; rate_every_ms, 0 to count nothing; rate_burst, calls at once
-- Returns {"NOTED", state} | {"BEFORE", state} | {"TOO_LATE"} | {"UNKNOWN"} | {"RATE_LIMITED", retry_ms}
-- Limits  tickets <= PLAYERS_PER_MATCH_MAX, lobbies <= LOBBIES_MAX
--
-- The lease is the time to answer. The last yes confirms in the same call, so that all parties are matched or none. A no
-- ends the lease with a verdict; reclaim takes the match apart. What was said BEFORE changes nothing.

local tickets, last_seen, claims, matches, leases, results, retention, stats, outbox, lobbies, paces = unpack(KEYS)
local now_ms, retention_ms, outbox_max, bytes_max = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local match, player, response, proposed_until_ms = ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8])
local lobbies_max, numbers = tonumber(ARGV[9]), tonumber(ARGV[10])
local rate_every_ms, rate_burst = tonumber(ARGV[11]), tonumber(ARGV[12])

-- A pong was asked for, often by another call of the same player: it is counted there.
local wait_ms = response == 'pong' and 0 or early_ms(paces, player, now_ms, rate_every_ms, rate_burst)
if wait_ms > 0 then return { 'RATE_LIMITED', wait_ms } end
local text = redis.call('HGET', matches, match)
local record = text and cjson.decode(text) or { teams = {} }
local own, members = nil, members_of(record)
for _, member in ipairs(members) do
  own = has(member.players, player) and member or own
end
if not own then return { 'UNKNOWN' } end
local state, verdict = record.state, (record.verdicts or {})[own.ticket]
local asked = response == 'pong' and 'checking' or 'proposed'
if (response == 'accept' and state == 'confirmed') or (response == 'decline' and verdict == 'declined')
  or (response == 'pong' and (state == 'proposed' or state == 'confirmed')) then
  return { 'BEFORE', state }
end
if state ~= asked or tonumber(redis.call('ZSCORE', leases, match) or 0) <= now_ms then return { 'TOO_LATE' } end
redis.call('ZADD', last_seen, 'XX', 'GT', now_ms, own.ticket)
if response ~= 'decline' and (own.ready or has(own.heard, player)) then return { 'BEFORE', state } end

-- Each phone of a party is asked whether it is there, and any player says whether the party plays.
own.ready = response == 'accept' or nil
if response == 'pong' then hear(own, player) end
local open, ids = 0, {}
for i, member in ipairs(members) do
  open, ids[i] = open + (member.ready and 0 or 1), member.ticket
end
if response ~= 'decline' and open == 0 then
  for _, member in ipairs(members) do
    member.ready, member.heard = nil, nil
  end
  if proposed_until_ms == 0 or asked == 'proposed' then
    record.state, record.deadline_ms = 'confirmed', nil
    local batch = new_batch(stats, lobbies, lobbies_max, numbers, retention_ms)
    add_match(outbox, batch, outbox_max, bytes_max, match, cjson.encode(record), ids, 1, #ids)
    redis.call('ZREM', leases, match)
    redis.call('HDEL', claims, unpack(ids))
    write_batch(tickets, last_seen, matches, results, retention, stats, lobbies, batch)
    return { 'NOTED', record.state }
  end
  record.state, record.deadline_ms = 'proposed', proposed_until_ms
  redis.call('ZADD', leases, proposed_until_ms, match)
  tell(outbox, outbox_max, bytes_max, 'asked', match, cjson.encode(record))
elseif response == 'decline' then
  record.state, record.verdicts, record.declined_by = 'dropped', { [own.ticket] = 'declined' }, player
  redis.call('ZADD', leases, 0, match)
end
redis.call('HSET', matches, match, cjson.encode(record))
return { 'NOTED', record.state }
