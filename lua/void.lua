-- void: carries out what the ledger has decided of a match, or of a ticket (matched -> waiting, anything -> forgotten).
--
-- KEYS[1] tickets hash: ticket -> record
-- KEYS[2] waiting zset: ticket -> order, smaller is earlier
-- KEYS[3] seen    zset: ticket -> when its party was last heard of, ms
-- KEYS[4] claims  hash: ticket -> match that holds it
-- KEYS[5] matches hash: match -> record
-- KEYS[6] results hash: ticket -> outcome
-- KEYS[7] forget  zset: ticket or match -> when its outcome may go, ms
-- KEYS[8] stats   hash: counters and recent wait percentiles
-- KEYS[9] lobbies zset: match -> number of its lobby
-- KEYS[10] outbox stream: what the outside must hear
-- ARGV[1] now_ms
-- ARGV[2] forget_ms
-- ARGV[3] match that is void; empty for none
-- ARGV[4] entry that told the ledger of it; empty for none
-- ARGV[5..] for each ticket: ticket, the record by which it waits again (empty if it is over), its order
-- Returns {"VOIDED", tickets that wait again}
-- Limits  tickets <= PLAYERS_PER_MATCH_MAX
--
-- A ticket waits again only if its outcome is this very match, with an entry: one that a phone was told of has none (see
-- stands), and then the match stays readable, too. A ticket that is over gets the outcome of a buried one: only the ledger knows how it ended. A ticket that another
-- match holds is left alone: that match will be void, too.
-- The entry goes in the same step: a Redis that forgets this one must have it still, or the match would pass for told.

local tickets, waiting, seen, claims, matches, results, forget, stats, lobbies, outbox =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local now_ms, forget_ms, match, entry = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]

local again, told = 0, false
for i = 5, #ARGV, 3 do
  local ticket, record, order = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local result = redis.call('HGET', results, ticket)
  local over = result and cjson.decode(result)
  told = told or (over and over.match == match and not over.entry)
  local ours = over and (over.match or '') == match and (match == '' or over.entry)
  if record ~= '' and ours then
    redis.call('HDEL', results, ticket)
    redis.call('ZREM', forget, ticket)
    redis.call('HSET', tickets, ticket, record)
    redis.call('ZADD', waiting, order, ticket)
    redis.call('ZADD', seen, now_ms, ticket)
    again = again + 1
  elseif record == '' and (ours or (not over and redis.call('HEXISTS', claims, ticket) == 0)) then
    local live = redis.call('HDEL', tickets, ticket)
    redis.call('HINCRBY', stats, 'cancelled', live)
    redis.call('ZREM', waiting, ticket)
    redis.call('ZREM', seen, ticket)
    local buried = { status = 'cancelled', reason = 'superseded', ended_ms = now_ms }
    redis.call('HSET', results, ticket, cjson.encode(buried))
    redis.call('ZADD', forget, forget_ms, ticket)
  end
end
local text = match ~= '' and not told and redis.call('HGET', matches, match)
local game = text and cjson.decode(text)
if game and game.state == 'confirmed' then
  game.state, game.lobby = 'dropped', nil
  redis.call('HSET', matches, match, cjson.encode(game))
  redis.call('ZREM', lobbies, match)
end
if again > 0 then
  redis.call('HINCRBY', stats, 'requeued', again)
  redis.call('HINCRBY', stats, 'matched', -again)
end
if entry ~= '' and redis.call('EXISTS', outbox) == 1 then
  redis.call('XACK', outbox, 'ledger', entry)
  redis.call('XDEL', outbox, entry)
end
return { 'VOIDED', again }
