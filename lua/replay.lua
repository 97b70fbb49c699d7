-- replay: what was put aside goes back into the outbox, oldest first.
--
-- KEYS[1] outbox stream: what the outside must hear
-- KEYS[2] dead   stream: what the outside could not be told
-- ARGV[1] limit, entries
-- Returns {"REPLAYED", entries moved}
-- Limits  limit <= OUTBOX_TAKE_MAX

local outbox, dead = KEYS[1], KEYS[2]
local limit = ARGV[1]

local entries = redis.call('XRANGE', dead, '-', '+', 'COUNT', limit)
for _, entry in ipairs(entries) do
  redis.call('XADD', outbox, '*', unpack(entry[2]))
  redis.call('XDEL', dead, entry[1])
end
return { 'REPLAYED', #entries }
