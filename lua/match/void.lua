-- void: carries out what the ledger has decided of a match, or of a ticket (matched -> waiting, anything -> forgotten).
--
-- KEYS    tickets, waiting, last_seen, claims, matches, results, retention, stats, lobbies, outbox
-- ARGV    now_ms; retention_ms; match that is void, empty for none; entry that told the ledger of it, empty for none;
--         ...for each ticket: ticket, the record by which it waits again (empty if it is finished), its order
-- Returns {"VOIDED", tickets that wait again}
-- Limits  tickets <= PLAYERS_PER_MATCH_MAX
--
-- A ticket waits again only if its outcome is this very match, with an entry: one that a phone was told of has none (see
-- stands), and then the match stays readable, too. A finished ticket gets a tombstone: only the ledger knows how it ended.
-- A ticket that another match holds is left alone: that match will be void, too.
-- The entry goes in the same step: a Redis that forgets this one must have it still, or the match would pass for told.

local tickets, waiting, last_seen, claims, matches, results, retention, stats, lobbies, outbox = unpack(KEYS)
local now_ms, retention_ms, match, entry = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]

local again, told = 0, false
for i = 5, #ARGV, 3 do
  local ticket, record, order = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local result = redis.call('HGET', results, ticket)
  local finished = result and cjson.decode(result)
  told = told or (finished and finished.match == match and not finished.entry)
  local ours = finished and (finished.match or '') == match and (match == '' or finished.entry)
  if record ~= '' and ours then
    redis.call('HDEL', results, ticket)
    redis.call('ZREM', retention, ticket)
    redis.call('HSET', tickets, ticket, record)
    redis.call('ZADD', waiting, order, ticket)
    redis.call('ZADD', last_seen, now_ms, ticket)
    again = again + 1
  elseif record == '' and (ours or (not finished and redis.call('HEXISTS', claims, ticket) == 0)) then
    redis.call('HINCRBY', stats, 'cancelled', redis.call('HDEL', tickets, ticket))
    redis.call('ZREM', waiting, ticket)
    redis.call('ZREM', last_seen, ticket)
    entomb(results, retention, ticket, now_ms, retention_ms)
  end
end
local text = match ~= '' and not told and redis.call('HGET', matches, match)
local void = text and cjson.decode(text)
if void and void.state == 'confirmed' then
  void.state, void.lobby = 'dropped', nil
  redis.call('HSET', matches, match, cjson.encode(void))
  redis.call('ZREM', lobbies, match)
end
if again > 0 then
  redis.call('HINCRBY', stats, 'requeued', again)
  redis.call('HINCRBY', stats, 'matched', -again)
end
if entry ~= '' then settle(outbox, { entry }) end
return { 'VOIDED', again }
