-- putoff: entries that a later version wrote wait out of the way for a reader of that version.
--
-- KEYS[1] outbox stream: what the outside must hear
-- KEYS[2] later  stream: what a later version must tell the outside
-- ARGV[1..] entry ids
-- Returns {"PUT_OFF", entries moved}
-- Limits  entries <= OUTBOX_TAKE_MAX

local outbox, later = KEYS[1], KEYS[2]

local moved = 0
for _, id in ipairs(ARGV) do
  local entry = redis.call('XRANGE', outbox, id, id)[1]
  if entry then
    redis.call('XADD', later, '*', unpack(entry[2]))
    redis.call('XACK', outbox, 'ledger', id)
    moved = moved + redis.call('XDEL', outbox, id)
  end
end
return { 'PUT_OFF', moved }
