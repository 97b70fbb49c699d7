-- take: hands out what the outside has not heard of, at least once each.
--
-- KEYS[1] outbox stream: what the outside must hear
-- ARGV[1] reader
-- ARGV[2] limit, entries
-- ARGV[3] idle_ms, after which another reader's unfinished entry is anybody's
-- Returns {"TAKEN", {entry, ...}, {deliveries, ...}}; an entry is {id, {field, value, ...}}
-- Limits  limit <= OUTBOX_TAKE_MAX
--
-- One consumer group, made when first asked for. Abandoned entries come before new ones.

local outbox = KEYS[1]
local reader, limit, idle_ms = ARGV[1], tonumber(ARGV[2]), ARGV[3]

if redis.call('EXISTS', outbox) == 0 then
  return { 'TAKEN', {}, {} }
end
if #redis.call('XINFO', 'GROUPS', outbox) == 0 then
  redis.call('XGROUP', 'CREATE', outbox, 'ledger', '0')
end
local entries, deliveries = {}, {}
for _, entry in ipairs(redis.call('XAUTOCLAIM', outbox, 'ledger', reader, idle_ms, '0-0', 'COUNT', limit)[2]) do
  local pending = redis.call('XPENDING', outbox, 'ledger', entry[1], entry[1], 1)[1]
  entries[#entries + 1] = entry
  deliveries[#deliveries + 1] = pending and pending[4] or 1
end
if #entries < limit then
  local fresh = redis.call('XREADGROUP', 'GROUP', 'ledger', reader, 'COUNT', limit - #entries, 'STREAMS', outbox, '>')
  for _, entry in ipairs(fresh and fresh[1][2] or {}) do
    entries[#entries + 1] = entry
    deliveries[#deliveries + 1] = 1
  end
end
return { 'TAKEN', entries, deliveries }
