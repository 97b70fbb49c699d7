-- recall: entries that were put off go back into the outbox, as a version has come that can tell them.
--
-- KEYS[1] outbox stream: what the outside must hear
-- KEYS[2] later  stream: what a later version must tell the outside
-- ARGV[1..] entry ids of later
-- Returns {"RECALLED", entries moved}
-- Limits  entries <= OUTBOX_TAKE_MAX
--
-- Two readers may recall at once: whoever comes second finds the entry gone.

local outbox, later = KEYS[1], KEYS[2]

local moved = 0
for _, id in ipairs(ARGV) do
  local entry = redis.call('XRANGE', later, id, id)[1]
  if entry then
    redis.call('XADD', outbox, '*', unpack(entry[2]))
    moved = moved + redis.call('XDEL', later, id)
  end
end
return { 'RECALLED', moved }
