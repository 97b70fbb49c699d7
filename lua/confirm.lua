-- confirm: matches whose leases still hold are played (claimed -> matched).
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
-- ARGV[1] now_ms
-- ARGV[2] forget_ms
-- ARGV[3] outbox_max entries, 0 for no outbox
-- ARGV[4] lobbies_max
-- ARGV[5] numbers of lobbies that there are
-- ARGV[6..] for each match: match, its confirmed record, number of tickets n, then n tickets
-- Returns {"CONFIRMED" | "LEASE_LOST", ...}, a word for each match
-- Limits  tickets <= CLAIM_BATCH_TICKETS, lobbies < LOBBIES_MAX + CLAIM_BATCH_TICKETS; O(tickets * log n)
--
-- The fence: a match whose lease has run out is LEASE_LOST and nothing of it changes, also before anybody reclaimed it.
-- Confirmed before, by this very call, is CONFIRMED again.

local tickets, seen, claims, matches, leases, results, forget, stats, outbox, lobbies =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local now_ms, forget_ms, outbox_max = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local lobbies_max, numbers = tonumber(ARGV[4]), tonumber(ARGV[5])

local asked, ids = {}, {}
local at = 6
while at <= #ARGV do
  local group = { record = ARGV[at + 1], tickets = {} }
  for i = 1, tonumber(ARGV[at + 2]) do
    group.tickets[i] = ARGV[at + 2 + i]
  end
  asked[#asked + 1], ids[#ids + 1] = group, ARGV[at]
  at = at + 3 + #group.tickets
end

local until_ms = redis.call('ZMSCORE', leases, unpack(ids))
local room = redis.call('ZCARD', lobbies) < lobbies_max
local words, over, gone, made, outcomes, forgets, meets = {}, {}, {}, {}, {}, {}, {}
for i, group in ipairs(asked) do
  local match = ids[i]
  if tonumber(until_ms[i] or 0) > now_ms then
    words[i] = 'CONFIRMED'
    over[#over + 1] = match
    if room then
      local number = redis.call('HINCRBY', stats, 'lobbies', 1) % numbers
      group.record = string.sub(group.record, 1, -2) .. ',"lobby":' .. number .. '}'
      meets[#meets + 1], meets[#meets + 2] = number, match
    end
    made[#made + 1], made[#made + 2] = match, group.record
    forgets[#forgets + 1], forgets[#forgets + 2] = forget_ms, match
    local outcome = '{"status":"matched","match":"' .. match .. '"}'
    if outbox_max ~= '0' then
      local entry =
        redis.call('XADD', outbox, 'MAXLEN', '~', outbox_max, '*', 'kind', 'matched', 'id', match, 'body', group.record)
      outcome = '{"status":"matched","match":"' .. match .. '","entry":"' .. entry .. '"}'
    end
    for _, ticket in ipairs(group.tickets) do
      gone[#gone + 1] = ticket
      outcomes[#outcomes + 1], outcomes[#outcomes + 2] = ticket, outcome
      forgets[#forgets + 1], forgets[#forgets + 2] = forget_ms, ticket
    end
  else
    local known = redis.call('HGET', matches, match)
    local before = known and cjson.decode(known).state == 'confirmed'
    words[i] = before and 'CONFIRMED' or 'LEASE_LOST'
  end
end
if #gone > 0 then
  redis.call('ZREM', seen, unpack(gone))
  redis.call('HDEL', tickets, unpack(gone))
  redis.call('HDEL', claims, unpack(gone))
  redis.call('HSET', results, unpack(outcomes))
  redis.call('HSET', matches, unpack(made))
  redis.call('ZREM', leases, unpack(over))
  redis.call('ZADD', forget, unpack(forgets))
  redis.call('HINCRBY', stats, 'matched', #gone)
  if room then
    redis.call('ZADD', lobbies, unpack(meets))
  end
end
return words
