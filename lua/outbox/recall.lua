-- recall: puts entries back into the outbox that were put off, once a version has come that can read them.
--
-- KEYS    outbox, later
-- ARGV    ...ids of entries of later
-- Returns {"RECALLED", entries moved}
-- Limits  entries <= OUTBOX_TAKE_MAX
--
-- Two readers may recall at once: the second one finds the entry gone.

local outbox, later = unpack(KEYS)

local moved = 0
for _, id in ipairs(ARGV) do
  local entry = redis.call('XRANGE', later, id, id)[1]
  if entry then
    redis.call('XADD', outbox, '*', unpack(entry[2]))
    moved = moved + redis.call('XDEL', later, id)
  end
end
return { 'RECALLED', moved }
