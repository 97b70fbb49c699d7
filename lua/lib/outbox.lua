-- outbox: writes what the outside must hear, and removes what it has heard.

-- Adds an entry and returns its id; nothing where entries_max is 0. bytes_max bounds the outbox too, taking all
-- entries for as long as this one.
local function tell(outbox, entries_max, bytes_max, kind, id, text)
  if entries_max == 0 then return nil end
  local kept_max = math.min(entries_max, math.ceil(bytes_max / #text))
  return redis.call('XADD', outbox, 'MAXLEN', '~', kept_max, '*', 'kind', kind, 'id', id, 'body', text)
end

-- Removes entries. How many were still there.
local function settle(outbox, ids)
  if redis.call('EXISTS', outbox) == 0 then return 0 end
  redis.call('XACK', outbox, 'ledger', unpack(ids))
  return redis.call('XDEL', outbox, unpack(ids))
end
