-- redrive: puts dead letters back into the outbox, oldest first.
--
-- KEYS    outbox, dead_letters
-- ARGV    limit, entries
-- Returns {"REDRIVEN", entries moved}
-- Limits  limit <= OUTBOX_TAKE_MAX

local outbox, dead_letters = unpack(KEYS)
local limit = ARGV[1]

local entries = redis.call('XRANGE', dead_letters, '-', '+', 'COUNT', limit)
for _, entry in ipairs(entries) do
  redis.call('XADD', outbox, '*', unpack(entry[2]))
  redis.call('XDEL', dead_letters, entry[1])
end
return { 'REDRIVEN', #entries }
