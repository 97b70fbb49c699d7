-- claim: takes tickets for matches that are not confirmed yet (waiting -> claimed), and lets them ask their parties.
--
-- KEYS[1] waiting zset: ticket -> order, smaller is earlier
-- KEYS[2] claims  hash: ticket -> match that holds it
-- KEYS[3] matches hash: match -> record
-- KEYS[4] leases  zset: match -> until when it holds its tickets, ms
-- KEYS[5] outbox  stream: what the outside must hear
-- KEYS[6] tickets hash: ticket -> record
-- ARGV[1] lease_ms, until when the matches hold their tickets
-- ARGV[2] outbox_max entries; 0 for no outbox, or for matches that ask nobody
-- ARGV[3..] for each match: match, its record, number of tickets n, then n tickets
-- Returns {"CLAIMED" | "TAKEN", ...}, a word for each match
-- Limits  tickets <= CLAIM_BATCH_TICKETS; O(tickets * log n)
--
-- All or nothing for each match. A match that is already there was made by this very call before its answer got lost: CLAIMED
-- again, nothing changes. Whether it still holds its tickets is what confirm asks.
-- A match that asks says how often each ticket has fallen out of one by now: the snapshot from which it was formed may be
-- older, and phones pass over news of an earlier round.

local waiting, claims, matches, leases, outbox, tickets = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local lease_ms, outbox_max = ARGV[1], ARGV[2]

local asked, ids, everyone = {}, {}, {}
local at = 3
while at <= #ARGV do
  local group = { id = ARGV[at], record = ARGV[at + 1], tickets = {} }
  ids[#ids + 1] = group.id
  for i = 1, tonumber(ARGV[at + 2]) do
    group.tickets[i] = ARGV[at + 2 + i]
    everyone[#everyone + 1] = ARGV[at + 2 + i]
  end
  asked[#asked + 1] = group
  at = at + 3 + #group.tickets
end

local function of_now(text, ids)
  local attempts, record, stale = {}, cjson.decode(text), false
  for i, found in ipairs(redis.call('HMGET', tickets, unpack(ids))) do
    local fine, ticket = pcall(cjson.decode, found or '')
    attempts[ids[i]] = fine and type(ticket) == 'table' and tonumber(ticket[5]) or nil
  end
  for _, member in ipairs(members_of(record)) do
    local now = attempts[member.ticket] or member.attempts
    stale = stale or now ~= member.attempts
    member.attempts = now
  end
  return stale and cjson.encode(record) or text
end

local free = {}
for i, order in ipairs(redis.call('ZMSCORE', waiting, unpack(everyone))) do
  free[everyone[i]] = order
end
local known = redis.call('HMGET', matches, unpack(ids))
local words, gone, made, holds, until_ms = {}, {}, {}, {}, {}
for i, group in ipairs(asked) do
  local whole, mine = true, {}
  for _, ticket in ipairs(group.tickets) do
    whole = whole and free[ticket] and not mine[ticket]
    mine[ticket] = true
  end
  if known[i] then
    words[i] = 'CLAIMED'
  elseif whole then
    words[i] = 'CLAIMED'
    if outbox_max ~= '0' then
      group.record = of_now(group.record, group.tickets)
    end
    made[#made + 1], made[#made + 2] = group.id, group.record
    until_ms[#until_ms + 1], until_ms[#until_ms + 2] = lease_ms, group.id
    for _, ticket in ipairs(group.tickets) do
      free[ticket] = false
      gone[#gone + 1] = ticket
      holds[#holds + 1], holds[#holds + 2] = ticket, group.id
    end
    if outbox_max ~= '0' then
      redis.call('XADD', outbox, 'MAXLEN', '~', outbox_max, '*', 'kind', 'asked', 'id', group.id, 'body', group.record)
    end
  else
    words[i] = 'TAKEN'
  end
end
if #gone > 0 then
  redis.call('ZREM', waiting, unpack(gone))
  redis.call('HSET', claims, unpack(holds))
  redis.call('HSET', matches, unpack(made))
  redis.call('ZADD', leases, unpack(until_ms))
end
return words
