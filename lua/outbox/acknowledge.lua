-- acknowledge: removes entries that the ledger has recorded.
--
-- KEYS    outbox
-- ARGV    ...ids of entries
-- Returns {"ACKNOWLEDGED", entries that were still there}
-- Limits  entries <= OUTBOX_TAKE_MAX

local outbox = unpack(KEYS)

return { 'ACKNOWLEDGED', settle(outbox, ARGV) }
