-- reclaim: takes apart the matches whose leases have run out (claimed -> waiting | cancelled).
--
-- KEYS    tickets, waiting, last_seen, claims, matches, leases, results, retention, stats, outbox
-- ARGV    now_ms; retention_ms; outbox_max, 0 for no outbox; bytes_max of the outbox; limit, matches;
--         tickets_max, after so many no further match is begun;
--         step_ms, by which a ticket stands further in front once a match fell through; gap_ms; pause_ms; clock_ms, see expire
-- Returns {"RECLAIMED", matches, tickets that wait again, tickets cancelled, matches whose matcher died}
-- Limits  matches <= RECLAIM_BATCH_MATCHES, tickets < RECLAIM_BATCH_TICKETS + PLAYERS_PER_MATCH_MAX
--
-- One place for every way in which a match falls through: its matcher died (forming), a party did not answer in time (checking,
-- proposed), or it was given up (dropped, with verdicts). Members that are not at fault wait again with the time waited so far, before
-- all tickets that joined later. A party that could be heard for less than half of its time is not at fault (see lib/upkeep).

local tickets, waiting, last_seen, claims, matches, leases, results, retention, stats, outbox = unpack(KEYS)
local now_ms, retention_ms, outbox_max, bytes_max = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local limit, tickets_max, step_ms = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local gap_ms, pause_ms, clock_ms = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
now_ms = believed(now_ms, clock_ms)

-- A ticket whose record only a later version can read waits again as it is: the match knows since when.
local function requeue(ticket, record, joined_ms)
  if record then
    record[5] = record[5] + 1
    redis.call('HSET', tickets, ticket, cjson.encode(record))
  end
  local order = (record and record[3] or joined_ms) - step_ms
  redis.call('ZADD', waiting, string.format('%.0f', math.max(order, 0)), ticket)
end

local due = redis.call('ZRANGEBYSCORE', leases, '-inf', now_ms, 'LIMIT', 0, limit)
if #due == 0 then return { 'RECLAIMED', 0, 0, 0, 0 } end
local taken, requeued, cancelled, crashed = 0, 0, 0, 0
local _, _, from_ms, to_ms = note_pause(stats, now_ms, gap_ms, pause_ms)

-- What silence means in a match: nothing where its parties could hardly be heard.
local silent = { checking = 'disconnected', proposed = 'no_answer' }
local function silence(held)
  local asked_ms, until_ms = held.created_ms, held.deadline_ms or now_ms
  local unheard_ms = math.min(to_ms, until_ms) - math.max(from_ms, asked_ms)
  return 2 * unheard_ms <= until_ms - asked_ms and silent[held.state] or nil
end

for _, match in ipairs(due) do
  if requeued + cancelled >= tickets_max then break end
  taken = taken + 1
  local held = cjson.decode(redis.call('HGET', matches, match))
  local verdicts, reason = held.verdicts or {}, silence(held)
  crashed = crashed + (held.state == 'forming' and 1 or 0)
  for _, member in ipairs(members_of(held)) do
    local ticket = member.ticket
    if redis.call('HGET', claims, ticket) == match then
      local record = ticket_of(redis.call('HGET', tickets, ticket))
      redis.call('HDEL', claims, ticket)
      verdicts[ticket] = verdicts[ticket] or (not member.ready and reason or nil)
      if verdicts[ticket] and record then
        local declined_by = verdicts[ticket] == 'declined' and held.declined_by or nil
        local outcome = { status = 'cancelled', reason = verdicts[ticket], ended_ms = now_ms, declined_by = declined_by }
        end_ticket(tickets, waiting, last_seen, results, retention, stats, outbox, ticket, record, outcome, retention_ms,
          outbox_max, bytes_max)
        cancelled = cancelled + 1
      else
        requeue(ticket, record, member.joined_ms or now_ms)
        requeued = requeued + 1
      end
    end
  end
  held.state = 'dropped'
  held.verdicts = next(verdicts) and verdicts or nil -- cjson may write an empty table as an object or as a list
  local text = cjson.encode(held)
  redis.call('HSET', matches, match, text)
  -- It had asked, so its parties know of it.
  if held.deadline_ms then tell(outbox, outbox_max, bytes_max, 'dropped', match, text) end
  redis.call('ZREM', leases, match)
  redis.call('ZADD', retention, retention_ms, match)
end
redis.call('HINCRBY', stats, 'reclaimed', crashed)
redis.call('HINCRBY', stats, 'requeued', requeued)
return { 'RECLAIMED', taken, requeued, cancelled, crashed }
