-- ticket: ends a ticket without a match.

-- Takes a ticket out of the pool and keeps its outcome until forget_ms. Returns the outcome as the outside hears of it.
local function finish(tickets, seen, results, forget, ticket, record, outcome, forget_ms)
  outcome.players, outcome.rating, outcome.joined_ms = record[1], record[2], record[3]
  outcome.attempts, outcome.imported = record[5], record[7]
  local text = cjson.encode(outcome)
  redis.call('HDEL', tickets, ticket)
  redis.call('ZREM', seen, ticket)
  redis.call('HSET', results, ticket, text)
  redis.call('ZADD', forget, forget_ms, ticket)
  return text
end
