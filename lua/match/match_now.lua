-- match_now: claims and confirms matches in one step (waiting -> matched), for queues that ask nobody first.
--
-- KEYS    tickets, waiting, last_seen, matches, results, retention, stats, outbox, lobbies
-- ARGV    retention_ms; outbox_max, 0 for no outbox; bytes_max of the outbox; lobbies_max; numbers of lobbies;
--         ...matches with confirmed records, see lib/groups
-- Returns {"MATCHED" | "TAKEN", ...}, a word for each match
-- Limits  tickets <= CLAIM_BATCH_TICKETS, lobbies < LOBBIES_MAX + CLAIM_BATCH_TICKETS; O(tickets * log n)
--
-- All or nothing for each match: one ticket that no longer waits and the match is TAKEN, its other tickets untouched.
-- A match that is confirmed already was made by this very call before its answer got lost: MATCHED again, nothing changes.
-- A match that was claimed in another way, and may have fallen through since, is not this call's: TAKEN.

local tickets, waiting, last_seen, matches, results, retention, stats, outbox, lobbies = unpack(KEYS)
local retention_ms, outbox_max, bytes_max = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local lobbies_max, numbers = tonumber(ARGV[4]), tonumber(ARGV[5])

local ids, firsts, lasts, everyone = groups_of(ARGV, 6)
local free = free_of(waiting, everyone)
local existing = redis.call('HMGET', matches, unpack(ids))
local batch = new_batch(stats, lobbies, lobbies_max, numbers, retention_ms)
local words = {}
for i, id in ipairs(ids) do
  local first, last = firsts[i], lasts[i]
  local whole = all_free(free, ARGV, first, last, i)
  if existing[i] then
    words[i] = cjson.decode(existing[i]).state == 'confirmed' and 'MATCHED' or 'TAKEN'
  elseif whole then
    words[i] = 'MATCHED'
    add_match(outbox, batch, outbox_max, bytes_max, id, ARGV[first - 2], ARGV, first, last)
    for t = first, last do
      free[ARGV[t]] = false
    end
  else
    words[i] = 'TAKEN'
  end
end
if batch.tickets > 0 then redis.call('ZREM', waiting, unpack(batch.gone)) end
write_batch(tickets, last_seen, matches, results, retention, stats, lobbies, batch)
return words
