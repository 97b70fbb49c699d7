-- aside: entries that cannot be told are put aside, to be looked at by a person.
--
-- KEYS[1] outbox stream: what the outside must hear
-- KEYS[2] dead   stream: what the outside could not be told
-- ARGV[1..] entry ids
-- Returns {"ASIDE", entries moved}
-- Limits  entries <= OUTBOX_TAKE_MAX

local outbox, dead = KEYS[1], KEYS[2]

local moved = 0
for _, id in ipairs(ARGV) do
  local entry = redis.call('XRANGE', outbox, id, id)[1]
  if entry then
    redis.call('XADD', dead, '*', unpack(entry[2]))
    redis.call('XACK', outbox, 'ledger', id)
    moved = moved + redis.call('XDEL', outbox, id)
  end
end
return { 'ASIDE', moved }
