-- put_off: moves entries that a later version wrote out of the way, for a reader of that version.
--
-- KEYS    outbox, later
-- ARGV    ...ids of entries
-- Returns {"PUT_OFF", entries moved}
-- Limits  entries <= OUTBOX_TAKE_MAX

local outbox, later = unpack(KEYS)

local moved = 0
for _, id in ipairs(ARGV) do
  local entry = redis.call('XRANGE', outbox, id, id)[1]
  if entry then
    redis.call('XADD', later, '*', unpack(entry[2]))
    moved = moved + settle(outbox, { id })
  end
end
return { 'PUT_OFF', moved }
