-- expire: ends tickets that waited too long or fell silent, and forgets old outcomes (waiting -> expired | cancelled).
--
-- KEYS[1] tickets hash: ticket -> record [players, rating, joined_ms, expires_ms, attempts, push?, imported?]
-- KEYS[2] waiting zset: ticket -> order, smaller is earlier
-- KEYS[3] seen    zset: ticket -> when its party was last heard of, ms
-- KEYS[4] matches hash: match -> record
-- KEYS[5] results hash: ticket -> outcome
-- KEYS[6] forget  zset: ticket or match -> when its outcome may go, ms
-- KEYS[7] stats   hash: counters and recent wait percentiles
-- KEYS[8] outbox  stream: what the outside must hear
-- KEYS[9] lobbies zset: match -> number of its lobby
-- KEYS[10] paces  zset: player -> until when the player has asked ahead, ms
-- ARGV[1] now_ms
-- ARGV[2] forget_ms
-- ARGV[3] outbox_max entries, 0 for no outbox
-- ARGV[4] limit, of tickets and of outcomes
-- ARGV[5] joined_before_ms, whoever joined later cannot have expired
-- ARGV[6] abandon_ms, whoever was not heard of for so long is abandoned
-- ARGV[7] look_max, tickets to look at besides, each for lateness and for silence
-- ARGV[8] gap_ms, after a longer gap between two calls everyone may be heard of again first
-- ARGV[9] pause_ms, a longer gap is noted for reclaim: it counts against nobody's time to answer
-- ARGV[10] clock_ms, so far ahead of Redis' own clock now_ms may be, and counts as no further; 0 for any
-- ARGV[11] bytes_max of the outbox, taking all entries for as long as the one that comes
-- Returns {"EXPIRED", tickets expired, tickets abandoned, outcomes forgotten}
-- Limits  limit <= EXPIRE_BATCH, look_max <= EXPIRE_LOOK_MAX; O(log n + limit + look_max)
--
-- Nobody is silent while nobody can be heard: if Redis was away, all tickets look silent when it is back.
-- Tickets held by a match are left alone: their match decides, and its lease is short.

local tickets, waiting, seen, matches, results, forget, stats, outbox, lobbies, paces =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local now_ms, forget_ms, outbox_max, limit = tonumber(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4])
local joined_before_ms, abandon_ms, look_max = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local gap_ms, pause_ms, clock_ms, bytes_max = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
now_ms = believed(now_ms, clock_ms)

-- A record that cannot be read is a later version's. It is left to that version.
local function read(ticket)
  local fine, record = pcall(cjson.decode, redis.call('HGET', tickets, ticket) or '')
  return fine and type(record) == 'table' and tonumber(record[4]) and record or nil
end

local function leave(ticket, record, status, reason)
  local outcome = { status = status, reason = reason, ended_ms = now_ms }
  local text = finish(tickets, seen, results, forget, ticket, record, outcome, forget_ms)
  redis.call('ZREM', waiting, ticket)
  redis.call('HINCRBY', stats, status, 1)
  tell(outbox, outbox_max, bytes_max, 'ended', ticket, text)
end

-- The line is ordered by joining time less a bonus, so the early end holds all expired tickets and some that are only urgent.
local expired, passed = 0, 0
while expired < limit and passed < look_max do
  local page = redis.call('ZRANGEBYSCORE', waiting, '-inf', joined_before_ms, 'LIMIT', passed, limit - expired)
  for _, ticket in ipairs(page) do
    local record = read(ticket)
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
  local page = redis.call('ZRANGEBYSCORE', seen, '-inf', now_ms - abandon_ms, 'LIMIT', held, limit - abandoned)
  for _, ticket in ipairs(page) do
    local record = redis.call('ZSCORE', waiting, ticket) and read(ticket)
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
local old = redis.call('ZRANGEBYSCORE', forget, '-inf', now_ms, 'LIMIT', 0, limit)
if #old > 0 then
  redis.call('HDEL', results, unpack(old))
  redis.call('HDEL', matches, unpack(old))
  redis.call('ZREM', lobbies, unpack(old))
  redis.call('ZREM', forget, unpack(old))
end
return { 'EXPIRED', expired, abandoned, #old }
