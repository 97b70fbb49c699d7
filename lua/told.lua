-- told: entries that the outside has heard of go.
--
-- KEYS[1] outbox stream: what the outside must hear
-- ARGV[1..] entry ids
-- Returns {"TOLD", entries that were still there}
-- Limits  entries <= OUTBOX_TAKE_MAX

local outbox = KEYS[1]

if redis.call('EXISTS', outbox) == 0 then
  return { 'TOLD', 0 }
end
redis.call('XACK', outbox, 'ledger', unpack(ARGV))
return { 'TOLD', redis.call('XDEL', outbox, unpack(ARGV)) }
