-- confirm: confirms matches and ends their tickets, with one write to each key for all matches of a call.

-- What a call will write. At most lobbies_max matches meet in a lobby at a time, numbered below `numbers`.
local function new_batch(stats, lobbies, lobbies_max, numbers, retention_ms)
  local room = redis.call('ZCARD', lobbies) < lobbies_max
  local lobby = room and tonumber(redis.call('HGET', stats, 'lobbies') or 0)
  return {
    room = room, lobby = lobby, numbers = numbers, retention_ms = retention_ms, matches = 0, tickets = 0,
    gone = {}, made = {}, outcomes = {}, retained = {}, meets = {},
  }
end

-- Adds a match, by its confirmed record, with the tickets in places first to last of a list. Only its entry is written yet.
-- Counted by hand: `#list` is a search, which would cost as much as the rest.
local function add_match(outbox, batch, outbox_max, bytes_max, match, record, list, first, last)
  local gone, outcomes, retained, retention_ms = batch.gone, batch.outcomes, batch.retained, batch.retention_ms
  local matches, tickets = batch.matches, batch.tickets
  if batch.room then
    batch.lobby = batch.lobby + 1
    local meets, number = batch.meets, tostring(batch.lobby % batch.numbers)
    record = string.sub(record, 1, -2) .. ',"lobby":' .. number .. '}'
    meets[2 * matches + 1], meets[2 * matches + 2] = number, match
  end
  batch.made[2 * matches + 1], batch.made[2 * matches + 2] = match, record
  local entry = tell(outbox, outbox_max, bytes_max, 'matched', match, record)
  local outcome = '{"status":"matched","match":"' .. match .. (entry and '","entry":"' .. entry or '') .. '"}'
  local kept = 2 * (matches + tickets)
  retained[kept + 1], retained[kept + 2] = retention_ms, match
  for t = first, last do
    local ticket = list[t]
    tickets, kept = tickets + 1, kept + 2
    gone[tickets] = ticket
    outcomes[2 * tickets - 1], outcomes[2 * tickets] = ticket, outcome
    retained[kept + 1], retained[kept + 2] = retention_ms, ticket
  end
  batch.matches, batch.tickets = matches + 1, tickets
end

-- Writes all that was added.
local function write_batch(tickets, last_seen, matches, results, retention, stats, lobbies, batch)
  if batch.tickets == 0 then return end
  redis.call('ZREM', last_seen, unpack(batch.gone))
  redis.call('HDEL', tickets, unpack(batch.gone))
  redis.call('HSET', results, unpack(batch.outcomes))
  redis.call('HSET', matches, unpack(batch.made))
  redis.call('ZADD', retention, unpack(batch.retained))
  redis.call('HINCRBY', stats, 'matched', batch.tickets)
  if batch.room then
    redis.call('HINCRBY', stats, 'lobbies', batch.matches)
    redis.call('ZADD', lobbies, unpack(batch.meets))
  end
end
