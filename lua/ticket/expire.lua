-- expire: ends tickets that waited too long or fell silent, and forgets old outcomes (waiting -> expired | cancelled).
--
-- KEYS    tickets, waiting, last_seen, matches, results, retention, stats, outbox, lobbies, paces
-- ARGV    now_ms; retention_ms; outbox_max, 0 for no outbox; bytes_max of the outbox; limit, of tickets and of outcomes;
--         joined_before_ms, tickets that joined later cannot have expired; abandon_ms, the longest silence;
--         look_max, tickets to look at besides, each for lateness and for silence;
--         gap_ms, after a longer gap between two calls everyone may be heard of again first;
--         pause_ms, a longer gap is noted for reclaim: it counts against nobody's time to answer;
--         clock_ms, how far ahead of Redis' own clock now_ms may be, and counts as no further, 0 for any
-- Returns {"EXPIRED", tickets expired, tickets abandoned, outcomes forgotten}
-- Limits  limit <= EXPIRE_BATCH, look_max <= EXPIRE_LOOK_MAX; O(log n + limit + look_max)
--
-- No ticket is silent while none can be heard: if Redis was away, all tickets look silent when it is back.
-- Tickets held by a match are left alone: their match decides, and its lease is short.

local tickets, waiting, last_seen, matches, results, retention, stats, outbox, lobbies, paces = unpack(KEYS)
local now_ms, retention_ms, outbox_max, bytes_max = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local limit, joined_before_ms, abandon_ms, look_max = tonumber(ARGV[5]), ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local gap_ms, pause_ms, clock_ms = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
now_ms = believed(now_ms, clock_ms)

local function leave(ticket, record, status, reason)
  local outcome = { status = status, reason = reason, ended_ms = now_ms }
  end_ticket(
    tickets, waiting, last_seen, results, retention, stats, outbox, ticket, record, outcome, retention_ms, outbox_max, bytes_max)
end

-- The line is ordered by joining time less a bonus, so the early end holds all expired tickets and some that are only urgent.
local expired, passed = 0, 0
while expired < limit and passed < look_max do
  local page = redis.call('ZRANGEBYSCORE', waiting, '-inf', joined_before_ms, 'LIMIT', passed, limit - expired)
  for _, ticket in ipairs(page) do
    local record = ticket_of(redis.call('HGET', tickets, ticket))
    if record and record[4] <= now_ms then
      leave(ticket, record, 'expired', nil)
      expired = expired + 1
    else
      passed = passed + 1
    end
  end
  if #page == 0 then break end
end
local upkeep_ms, away_ms = note_pause(stats, now_ms, gap_ms, pause_ms)
away_ms = now_ms > upkeep_ms + gap_ms and now_ms or away_ms
redis.call('HSET', stats, 'upkeep_ms', math.max(now_ms, upkeep_ms), 'away_ms', away_ms)
-- Those who were silent for too long, and some that a match holds.
local abandoned, held = 0, 0
while now_ms >= away_ms + abandon_ms and abandoned < limit and held < look_max do
  local page = redis.call('ZRANGEBYSCORE', last_seen, '-inf', now_ms - abandon_ms, 'LIMIT', held, limit - abandoned)
  for _, ticket in ipairs(page) do
    local record = redis.call('ZSCORE', waiting, ticket) and ticket_of(redis.call('HGET', tickets, ticket))
    if record then
      leave(ticket, record, 'cancelled', 'abandoned')
      abandoned = abandoned + 1
    else
      held = held + 1
    end
  end
  if #page == 0 then break end
end
redis.call('ZREMRANGEBYSCORE', paces, '-inf', now_ms) -- of whoever asks no more than allowed nothing stays
local old = redis.call('ZRANGEBYSCORE', retention, '-inf', now_ms, 'LIMIT', 0, limit)
if #old > 0 then
  redis.call('HDEL', results, unpack(old))
  redis.call('HDEL', matches, unpack(old))
  redis.call('ZREM', lobbies, unpack(old))
  redis.call('ZREM', retention, unpack(old))
end
return { 'EXPIRED', expired, abandoned, #old }
