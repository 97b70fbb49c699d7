-- confirm: confirms matches whose leases still hold (claimed -> matched).
--
-- KEYS    tickets, last_seen, claims, matches, leases, results, retention, stats, outbox, lobbies
-- ARGV    now_ms; retention_ms; outbox_max, 0 for no outbox; bytes_max of the outbox; lobbies_max; numbers of lobbies;
--         ...matches with confirmed records, see lib/groups
-- Returns {"CONFIRMED" | "LEASE_LOST", ...}, a word for each match
-- Limits  tickets <= CLAIM_BATCH_TICKETS, lobbies < LOBBIES_MAX + CLAIM_BATCH_TICKETS; O(tickets * log n)
--
-- The fence: a match whose lease has run out is LEASE_LOST and nothing of it changes, also before it is reclaimed.
-- Confirmed before, by this very call, is CONFIRMED again.

local tickets, last_seen, claims, matches, leases, results, retention, stats, outbox, lobbies = unpack(KEYS)
local now_ms, retention_ms, outbox_max, bytes_max = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local lobbies_max, numbers = tonumber(ARGV[5]), tonumber(ARGV[6])

local ids, firsts, lasts = groups_of(ARGV, 7)
local until_ms = redis.call('ZMSCORE', leases, unpack(ids))
local batch = new_batch(stats, lobbies, lobbies_max, numbers, retention_ms)
local words, over = {}, {}
for i, id in ipairs(ids) do
  if tonumber(until_ms[i] or 0) > now_ms then
    words[i], over[#over + 1] = 'CONFIRMED', id
    add_match(outbox, batch, outbox_max, bytes_max, id, ARGV[firsts[i] - 2], ARGV, firsts[i], lasts[i])
  else
    local existing = redis.call('HGET', matches, id)
    local before = existing and cjson.decode(existing).state == 'confirmed'
    words[i] = before and 'CONFIRMED' or 'LEASE_LOST'
  end
end
if #over > 0 then
  redis.call('HDEL', claims, unpack(batch.gone))
  redis.call('ZREM', leases, unpack(over))
end
write_batch(tickets, last_seen, matches, results, retention, stats, lobbies, batch)
return words
