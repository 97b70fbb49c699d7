-- claim: takes tickets for matches that are not confirmed yet (waiting -> claimed), and lets them ask their parties.
--
-- KEYS    waiting, claims, matches, leases, outbox, tickets
-- ARGV    lease_ms, until when the matches hold their tickets; outbox_max, 0 for matches that ask nobody; bytes_max of the outbox;
--         ...matches with their records, see lib/groups
-- Returns {"CLAIMED" | "TAKEN", ...}, a word for each match
-- Limits  tickets <= CLAIM_BATCH_TICKETS; O(tickets * log n)
--
-- All or nothing for each match. A match that is already there was made by this very call before its answer got lost: CLAIMED
-- again, nothing changes. Whether it still holds its tickets is what confirm asks.
-- A match that asks says how often each ticket has fallen out of one by now: the snapshot from which it was formed may be
-- older, and phones drop notifications of an earlier round.

local waiting, claims, matches, leases, outbox, tickets = unpack(KEYS)
local lease_ms, outbox_max, bytes_max = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local function with_attempts(text, first, last)
  local attempts, record, stale = {}, cjson.decode(text), false
  for i, found in ipairs(redis.call('HMGET', tickets, unpack(ARGV, first, last))) do
    local ticket = ticket_of(found)
    attempts[ARGV[first + i - 1]] = ticket and tonumber(ticket[5])
  end
  for _, member in ipairs(members_of(record)) do
    local now = attempts[member.ticket] or member.attempts
    stale = stale or now ~= member.attempts
    member.attempts = now
  end
  return stale and cjson.encode(record) or text
end

local ids, firsts, lasts, everyone = groups_of(ARGV, 4)
local free = free_of(waiting, everyone)
local existing = redis.call('HMGET', matches, unpack(ids))
local words, gone, made, holds, until_ms = {}, {}, {}, {}, {}
for i, id in ipairs(ids) do
  local first, last = firsts[i], lasts[i]
  local whole = all_free(free, ARGV, first, last, i)
  words[i] = (existing[i] or whole) and 'CLAIMED' or 'TAKEN'
  if whole and not existing[i] then
    local record = ARGV[first - 2]
    if outbox_max > 0 then
      record = with_attempts(record, first, last)
      tell(outbox, outbox_max, bytes_max, 'asked', id, record)
    end
    made[#made + 1], made[#made + 2] = id, record
    until_ms[#until_ms + 1], until_ms[#until_ms + 2] = lease_ms, id
    for t = first, last do
      local ticket = ARGV[t]
      free[ticket], gone[#gone + 1] = false, ticket
      holds[#holds + 1], holds[#holds + 2] = ticket, id
    end
  end
end
if #gone > 0 then
  redis.call('ZREM', waiting, unpack(gone))
  redis.call('HSET', claims, unpack(holds))
  redis.call('HSET', matches, unpack(made))
  redis.call('ZADD', leases, unpack(until_ms))
end
return words
