-- known: which of these tickets are there, live or over.
--
-- KEYS[1] tickets hash: ticket -> record
-- KEYS[2] results hash: ticket -> outcome
-- ARGV[1..] tickets
-- Returns {"KNOWN", {1 | 0, ...}}
-- Limits  tickets <= SNAPSHOT_PAGE_TICKETS

local tickets, results = KEYS[1], KEYS[2]

local live = redis.call('HMGET', tickets, unpack(ARGV))
local over = redis.call('HMGET', results, unpack(ARGV))
local flags = {}
for i = 1, #ARGV do
  flags[i] = (live[i] or over[i]) and 1 or 0
end
return { 'KNOWN', flags }
