-- reclaim: takes apart the matches whose leases have run out (claimed -> waiting | cancelled).
--
-- KEYS[1] tickets hash: ticket -> record [players, rating, joined_ms, expires_ms, attempts, push?, imported?]
-- KEYS[2] waiting zset: ticket -> order, smaller is earlier
-- KEYS[3] seen    zset: ticket -> when its party was last heard of, ms
-- KEYS[4] claims  hash: ticket -> match that holds it
-- KEYS[5] matches hash: match -> record
-- KEYS[6] leases  zset: match -> until when it holds its tickets, ms
-- KEYS[7] results hash: ticket -> outcome
-- KEYS[8] forget  zset: ticket or match -> when its outcome may go, ms
-- KEYS[9] stats   hash: counters and recent wait percentiles
-- KEYS[10] outbox stream: what the outside must hear
-- ARGV[1] now_ms
-- ARGV[2] forget_ms
-- ARGV[3] outbox_max entries, 0 for no outbox
-- ARGV[4] limit, matches
-- ARGV[5] priority_step_ms, by which a ticket stands further in front once a match fell through
-- ARGV[6] limit, tickets: after so many no further match is begun
-- ARGV[7] gap_ms, see expire
-- ARGV[8] pause_ms, see expire
-- ARGV[9] clock_ms, see expire
-- ARGV[10] bytes_max of the outbox, taking all entries for as long as the one that comes
-- Returns {"RECLAIMED", matches, tickets that wait again, tickets cancelled, matches whose matcher died}
-- Limits  matches <= RECLAIM_BATCH_MATCHES, tickets < RECLAIM_BATCH_TICKETS + PLAYERS_PER_MATCH_MAX
--
-- One place for every way in which a match falls through: its matcher died (forming), a party did not answer in time (checking,
-- proposed), or it was given up (dropped, with verdicts). Members that are not at fault wait again with the time waited so far, before
-- all tickets that joined later. A party that could be heard for less than half of its time is not at fault (see lib/upkeep).

local tickets, waiting, seen, claims, matches, leases, results, forget, stats, outbox =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local now_ms, forget_ms, outbox_max = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local limit, step_ms, tickets_max = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local gap_ms, pause_ms, clock_ms, bytes_max = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
now_ms = believed(now_ms, clock_ms)

-- A record that cannot be read is a later version's. It is left as it is, and its ticket waits again: the match knows since when.
local function requeue(ticket, record, joined_ms)
  if record then
    record[5] = record[5] + 1
    redis.call('HSET', tickets, ticket, cjson.encode(record))
  end
  local order = (record and record[3] or joined_ms) - step_ms
  redis.call('ZADD', waiting, string.format('%.0f', math.max(order, 0)), ticket)
end

local function cancel(ticket, record, reason, player)
  local outcome = { status = 'cancelled', reason = reason, ended_ms = now_ms, declined_by = player }
  local text = finish(tickets, seen, results, forget, ticket, record, outcome, forget_ms)
  tell(outbox, outbox_max, bytes_max, 'ended', ticket, text)
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
      local fine, record = pcall(cjson.decode, redis.call('HGET', tickets, ticket) or '')
      record = fine and type(record) == 'table' and tonumber(record[5]) and record or nil
      redis.call('HDEL', claims, ticket)
      verdicts[ticket] = verdicts[ticket] or (not member.ready and reason or nil)
      if verdicts[ticket] and record then
        cancel(ticket, record, verdicts[ticket], verdicts[ticket] == 'declined' and held.declined_by or nil)
        cancelled = cancelled + 1
      else
        requeue(ticket, record, member.joined_ms or now_ms)
        requeued = requeued + 1
      end
    end
  end
  held.state = 'dropped'
  held.verdicts = next(verdicts) and verdicts or nil -- cjson would write an empty table as an object or a list, as it pleases
  local text = cjson.encode(held)
  redis.call('HSET', matches, match, text)
  -- It had asked, so its parties know of it.
  if held.deadline_ms then tell(outbox, outbox_max, bytes_max, 'dropped', match, text) end
  redis.call('ZREM', leases, match)
  redis.call('ZADD', forget, forget_ms, match)
end
redis.call('HINCRBY', stats, 'reclaimed', crashed)
redis.call('HINCRBY', stats, 'requeued', requeued)
redis.call('HINCRBY', stats, 'cancelled', cancelled)
return { 'RECLAIMED', taken, requeued, cancelled, crashed }
