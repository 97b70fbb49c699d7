-- aside: entries that cannot be told are put aside, to be looked at by a person.
--
-- KEYS[1] outbox stream: what the outside must hear
-- KEYS[2] dead   stream: what the outside could not be told
-- ARGV[1] dead_max, entries that are kept aside; beyond them the oldest go
-- ARGV[2] bytes_max, the same in bytes, taking all entries for as long as the one that comes
-- ARGV[3..] entry ids
-- Returns {"ASIDE", entries moved}
-- Limits  entries <= OUTBOX_TAKE_MAX

local outbox, dead = KEYS[1], KEYS[2]
local dead_max, bytes_max = tonumber(ARGV[1]), tonumber(ARGV[2])

local moved = 0
for i = 3, #ARGV do
  local id = ARGV[i]
  local entry = redis.call('XRANGE', outbox, id, id)[1]
  if entry then
    local bytes = 1
    for _, text in ipairs(entry[2]) do
      bytes = bytes + #text
    end
    local kept_max = math.min(dead_max, math.ceil(bytes_max / bytes))
    redis.call('XADD', dead, 'MAXLEN', kept_max, '*', unpack(entry[2]))
    redis.call('XACK', outbox, 'ledger', id)
    moved = moved + redis.call('XDEL', outbox, id)
  end
end
return { 'ASIDE', moved }
