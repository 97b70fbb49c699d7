-- outbox: writes what the outside must hear.

-- Adds an entry and returns its id; nothing where entries_max is 0. bytes_max bounds the outbox too, taking all
-- entries for as long as this one.
local function tell(outbox, entries_max, bytes_max, kind, id, text)
  if tonumber(entries_max) == 0 then return nil end
  local kept_max = math.min(entries_max, math.ceil(bytes_max / #text))
  return redis.call('XADD', outbox, 'MAXLEN', '~', kept_max, '*', 'kind', kind, 'id', id, 'body', text)
end
