-- dead_letter: sets entries aside that the ledger refuses, for an operator to look at.
--
-- KEYS    outbox, dead_letters
-- ARGV    dead_max, entries that are kept, beyond them the oldest go; bytes_max, the same in bytes, taking all entries for as
--         long as the one that comes; ...ids of entries
-- Returns {"DEAD_LETTERED", entries moved}
-- Limits  entries <= OUTBOX_TAKE_MAX

local outbox, dead_letters = unpack(KEYS)
local dead_max, bytes_max = tonumber(ARGV[1]), tonumber(ARGV[2])

local moved = 0
for i = 3, #ARGV do
  local entry = redis.call('XRANGE', outbox, ARGV[i], ARGV[i])[1]
  if entry then
    local kept_max = math.min(dead_max, math.ceil(bytes_max / (1 + #table.concat(entry[2]))))
    redis.call('XADD', dead_letters, 'MAXLEN', kept_max, '*', unpack(entry[2]))
    moved = moved + settle(outbox, { entry[1] })
  end
end
return { 'DEAD_LETTERED', moved }
