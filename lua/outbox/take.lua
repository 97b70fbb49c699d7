-- take: hands out what the outside has not heard of, at least once each.
--
-- KEYS    outbox
-- ARGV    limit, entries; idle_ms, after which an unfinished entry is handed out again
-- Returns {"TAKEN", {entry, ...}, {deliveries, ...}}; an entry is {id, {field, value, ...}}
-- Limits  limit <= OUTBOX_TAKE_MAX
--
-- One consumer group, made when first asked for, with one consumer for all readers. It is the group that hands an entry out once, and
-- the entry that knows when it was taken: neither asks for a reader's name, and a name of each run's own would stay in the group for
-- ever. Consumers that an earlier version left go with their group as soon as nothing is under way in it.
-- Abandoned entries come before new ones.

local outbox = unpack(KEYS)
local limit, idle_ms = tonumber(ARGV[1]), ARGV[2]

if redis.call('EXISTS', outbox) == 0 then return { 'TAKEN', {}, {} } end
local found, group = redis.call('XINFO', 'GROUPS', outbox)[1], {}
for i = 1, found and #found or 0, 2 do
  group[found[i]] = found[i + 1]
end
if not found then
  redis.call('XGROUP', 'CREATE', outbox, 'ledger', '0')
elseif group.consumers > 1 and group.pending == 0 then
  redis.call('XGROUP', 'DESTROY', outbox, 'ledger')
  redis.call('XGROUP', 'CREATE', outbox, 'ledger', group['last-delivered-id'])
end
local entries, deliveries = {}, {}
for _, entry in ipairs(redis.call('XAUTOCLAIM', outbox, 'ledger', 'reader', idle_ms, '0-0', 'COUNT', limit)[2]) do
  local pending = redis.call('XPENDING', outbox, 'ledger', entry[1], entry[1], 1)[1]
  entries[#entries + 1] = entry
  deliveries[#deliveries + 1] = pending and pending[4] or 1
end
if #entries < limit then
  local fresh = redis.call('XREADGROUP', 'GROUP', 'ledger', 'reader', 'COUNT', limit - #entries, 'STREAMS', outbox, '>')
  for _, entry in ipairs(fresh and fresh[1][2] or {}) do
    entries[#entries + 1] = entry
    deliveries[#deliveries + 1] = 1
  end
end
return { 'TAKEN', entries, deliveries }
