-- reclaim: takes apart the matches whose leases have run out (claimed -> waiting | cancelled).
--
-- KEYS[1] tickets hash: ticket -> record [players, rating, joined_ms, expires_ms, attempts, push?]
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
-- ARGV[5] priority_step_ms, by which a ticket moves forward in line for each match that fell through
-- ARGV[6] priority_steps_max
-- ARGV[7] limit, tickets: after so many no further match is begun
-- Returns {"RECLAIMED", matches, tickets that wait again, tickets cancelled}
-- Limits  matches <= RECLAIM_BATCH_MATCHES, tickets < RECLAIM_BATCH_TICKETS + PLAYERS_PER_MATCH_MAX
--
-- One place for every way in which a match falls through: its matcher died (forming), somebody did not answer in time
-- (checking, proposed), it was given up (dropped, with verdicts). Who is not at fault waits again, with the time waited so far
-- and further in front.

local tickets, waiting, seen, claims, matches, leases, results, forget, stats, outbox =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local now_ms, forget_ms, outbox_max = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local limit, step_ms, steps_max, tickets_max = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

local silent = { checking = 'disconnected', proposed = 'no_answer' }

local function tell(kind, id, text)
  if outbox_max ~= '0' then
    redis.call('XADD', outbox, 'MAXLEN', '~', outbox_max, '*', 'kind', kind, 'id', id, 'body', text)
  end
end

-- A record that cannot be read is a later version's. It is left as it is, and its ticket waits again.
local function requeue(ticket, record)
  if not record then
    return redis.call('ZADD', waiting, now_ms, ticket)
  end
  record[5] = record[5] + 1
  redis.call('HSET', tickets, ticket, cjson.encode(record))
  local order = record[3] - step_ms * math.min(record[5], steps_max)
  redis.call('ZADD', waiting, string.format('%.0f', math.max(order, 0)), ticket)
end

local function cancel(ticket, record, reason)
  local players, rating, joined_ms, _, attempts = unpack(record)
  local text = cjson.encode({
    status = 'cancelled', reason = reason, ended_ms = now_ms,
    players = players, rating = rating, joined_ms = joined_ms, attempts = attempts,
  })
  redis.call('HDEL', tickets, ticket)
  redis.call('ZREM', seen, ticket)
  redis.call('HSET', results, ticket, text)
  redis.call('ZADD', forget, forget_ms, ticket)
  tell('ended', ticket, text)
end

local due = redis.call('ZRANGEBYSCORE', leases, '-inf', now_ms, 'LIMIT', 0, limit)
local taken, requeued, cancelled, crashed = 0, 0, 0, 0
for _, match in ipairs(due) do
  if requeued + cancelled >= tickets_max then break end
  taken = taken + 1
  local held = cjson.decode(redis.call('HGET', matches, match))
  local verdicts = held.verdicts or {}
  crashed = crashed + (held.state == 'forming' and 1 or 0)
  for _, team in ipairs(held.teams) do
    for _, member in ipairs(team) do
      local ticket = member.ticket
      if redis.call('HGET', claims, ticket) == match then
        local fine, record = pcall(cjson.decode, redis.call('HGET', tickets, ticket) or '')
        record = fine and type(record) == 'table' and tonumber(record[5]) and record or nil
        redis.call('HDEL', claims, ticket)
        verdicts[ticket] = verdicts[ticket] or (not member.ready and silent[held.state] or nil)
        if verdicts[ticket] and record then
          cancel(ticket, record, verdicts[ticket])
          cancelled = cancelled + 1
        else
          requeue(ticket, record)
          requeued = requeued + 1
        end
      end
    end
  end
  held.state = 'dropped'
  held.verdicts = next(verdicts) and verdicts or nil -- cjson would write an empty table as an object or a list, as it pleases
  local text = cjson.encode(held)
  redis.call('HSET', matches, match, text)
  if held.deadline_ms then -- it had asked, so its parties know of it
    tell('dropped', match, text)
  end
  redis.call('ZREM', leases, match)
  redis.call('ZADD', forget, forget_ms, match)
end
if #due > 0 then
  redis.call('HINCRBY', stats, 'reclaimed', crashed)
  redis.call('HINCRBY', stats, 'requeued', requeued)
  redis.call('HINCRBY', stats, 'cancelled', cancelled)
end
return { 'RECLAIMED', taken, requeued, cancelled }
