-- confirm: confirms matches and ends their tickets, with one write to each key for all matches of a call.

-- What a call will write. At most lobbies_max matches meet in a lobby at a time, numbered below `numbers`.
local function new_batch(stats, lobbies, lobbies_max, numbers, retention_ms)
  local room = redis.call('ZCARD', lobbies) < lobbies_max
  local lobby = room and tonumber(redis.call('HGET', stats, 'lobbies') or 0)
  return {
    room = room, lobby = lobby, numbers = numbers, retention_ms = retention_ms,
    gone = {}, made = {}, outcomes = {}, retained = {}, meets = {},
  }
end

-- Adds a match, by its confirmed record, with the tickets in places first to last of a list. Only its entry is written yet.
local function add_match(outbox, batch, outbox_max, bytes_max, match, record, list, first, last)
  local gone, made, outcomes = batch.gone, batch.made, batch.outcomes
  local retained, retention_ms = batch.retained, batch.retention_ms
  if batch.room then
    batch.lobby = batch.lobby + 1
    local meets, number = batch.meets, tostring(batch.lobby % batch.numbers)
    record = string.sub(record, 1, -2) .. ',"lobby":' .. number .. '}'
    meets[#meets + 1], meets[#meets + 2] = number, match
  end
  made[#made + 1], made[#made + 2] = match, record
  retained[#retained + 1], retained[#retained + 2] = retention_ms, match
  local entry = tell(outbox, outbox_max, bytes_max, 'matched', match, record)
  local outcome = '{"status":"matched","match":"' .. match .. (entry and '","entry":"' .. entry or '') .. '"}'
  for t = first, last do
    local ticket = list[t]
    gone[#gone + 1] = ticket
    outcomes[#outcomes + 1], outcomes[#outcomes + 2] = ticket, outcome
    retained[#retained + 1], retained[#retained + 2] = retention_ms, ticket
  end
end

-- Writes all that was added.
local function write_batch(tickets, last_seen, matches, results, retention, stats, lobbies, batch)
  if #batch.gone == 0 then return end
  redis.call('ZREM', last_seen, unpack(batch.gone))
  redis.call('HDEL', tickets, unpack(batch.gone))
  redis.call('HSET', results, unpack(batch.outcomes))
  redis.call('HSET', matches, unpack(batch.made))
  redis.call('ZADD', retention, unpack(batch.retained))
  redis.call('HINCRBY', stats, 'matched', #batch.gone)
  if batch.room then
    redis.call('HINCRBY', stats, 'lobbies', #batch.made / 2)
    redis.call('ZADD', lobbies, unpack(batch.meets))
  end
end
