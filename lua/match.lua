-- match: claims and confirms matches in one step (waiting -> matched), for queues that ask nobody first.
--
-- KEYS[1] tickets hash: ticket -> record
-- KEYS[2] waiting zset: ticket -> order, smaller is earlier
-- KEYS[3] seen    zset: ticket -> when its party was last heard of, ms
-- KEYS[4] matches hash: match -> record
-- KEYS[5] results hash: ticket -> outcome
-- KEYS[6] forget  zset: ticket or match -> when its outcome may go, ms
-- KEYS[7] stats   hash: counters and recent wait percentiles
-- KEYS[8] outbox  stream: what the outside must hear
-- KEYS[9] lobbies zset: match -> number of its lobby
-- ARGV[1] forget_ms
-- ARGV[2] outbox_max entries, 0 for no outbox
-- ARGV[3] lobbies_max
-- ARGV[4] numbers of lobbies that there are
-- ARGV[5..] for each match: match, its confirmed record, number of tickets n, then n tickets
-- Returns {"MATCHED" | "TAKEN", ...}, a word for each match
-- Limits  tickets <= CLAIM_BATCH_TICKETS, lobbies < LOBBIES_MAX + CLAIM_BATCH_TICKETS; O(tickets * log n)
--
-- All or nothing for each match: one ticket that no longer waits and the match is TAKEN, its other tickets untouched.
-- A match that is confirmed already was made by this very call before its answer got lost: MATCHED again, nothing changes.
-- A match that was claimed in another way, and may have fallen through since, is none of ours: TAKEN.

local tickets, waiting, seen, matches, results, forget, stats, outbox, lobbies =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local forget_ms, outbox_max, lobbies_max, numbers = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

-- A table for each match would cost more than all else that is done here for it: its tickets are places in ARGV.
local ids, firsts, lasts, everyone = {}, {}, {}, {}
local at = 5
while at <= #ARGV do
  local first, last = at + 3, at + 2 + tonumber(ARGV[at + 2])
  ids[#ids + 1], firsts[#firsts + 1], lasts[#lasts + 1] = ARGV[at], first, last
  for i = first, last do
    everyone[#everyone + 1] = ARGV[i]
  end
  at = last + 1
end

-- Of each ticket: false once it no longer waits, else its order or the last match that asked for it.
local free = {}
for i, order in ipairs(redis.call('ZMSCORE', waiting, unpack(everyone))) do
  free[everyone[i]] = order
end
local known = redis.call('HMGET', matches, unpack(ids))
local room = redis.call('ZCARD', lobbies) < lobbies_max
local lobby = tonumber(redis.call('HGET', stats, 'lobbies') or 0)
local words, gone, made, outcomes, forgets, meets = {}, {}, {}, {}, {}, {}
for i, id in ipairs(ids) do
  local whole = true
  for t = firsts[i], lasts[i] do
    local state = free[ARGV[t]]
    whole = whole and state and state ~= i
    free[ARGV[t]] = state and i
  end
  if known[i] then
    words[i] = cjson.decode(known[i]).state == 'confirmed' and 'MATCHED' or 'TAKEN'
  elseif whole then
    words[i] = 'MATCHED'
    local record = ARGV[firsts[i] - 2]
    if room then
      lobby = lobby + 1
      local number = tostring(lobby % numbers)
      record = string.sub(record, 1, -2) .. ',"lobby":' .. number .. '}'
      meets[#meets + 1], meets[#meets + 2] = number, id
    end
    made[#made + 1], made[#made + 2] = id, record
    forgets[#forgets + 1], forgets[#forgets + 2] = forget_ms, id
    local outcome = '{"status":"matched","match":"' .. id .. '"}'
    if outbox_max ~= '0' then
      local entry =
        redis.call('XADD', outbox, 'MAXLEN', '~', outbox_max, '*', 'kind', 'matched', 'id', id, 'body', record)
      outcome = '{"status":"matched","match":"' .. id .. '","entry":"' .. entry .. '"}'
    end
    for t = firsts[i], lasts[i] do
      local ticket = ARGV[t]
      free[ticket] = false
      gone[#gone + 1] = ticket
      outcomes[#outcomes + 1], outcomes[#outcomes + 2] = ticket, outcome
      forgets[#forgets + 1], forgets[#forgets + 2] = forget_ms, ticket
    end
  else
    words[i] = 'TAKEN'
  end
end
if #gone > 0 then
  redis.call('ZREM', waiting, unpack(gone))
  redis.call('ZREM', seen, unpack(gone))
  redis.call('HDEL', tickets, unpack(gone))
  redis.call('HSET', results, unpack(outcomes))
  redis.call('HSET', matches, unpack(made))
  redis.call('ZADD', forget, unpack(forgets))
  redis.call('HINCRBY', stats, 'matched', #gone)
  if room then
    redis.call('HINCRBY', stats, 'lobbies', #made / 2)
    redis.call('ZADD', lobbies, unpack(meets))
  end
end
return words
