-- ending: ends tickets without a match.

-- Takes a ticket out of the pool, keeps its outcome until retention_ms, and tells the outside.
local function end_ticket(
  tickets, waiting, last_seen, results, retention, stats, outbox, ticket, record, outcome, retention_ms, outbox_max, bytes_max)
  outcome.players, outcome.rating, outcome.joined_ms = record[1], record[2], record[3]
  outcome.attempts, outcome.imported = record[5], record[7]
  local text = cjson.encode(outcome)
  redis.call('HDEL', tickets, ticket)
  redis.call('ZREM', waiting, ticket)
  redis.call('ZREM', last_seen, ticket)
  redis.call('HSET', results, ticket, text)
  redis.call('ZADD', retention, retention_ms, ticket)
  redis.call('HINCRBY', stats, outcome.status, 1)
  tell(outbox, outbox_max, bytes_max, 'ended', ticket, text)
end
