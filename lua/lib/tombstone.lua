-- tombstone: an outcome without players, for a ticket of which only the ledger may know more.

-- The ticket can never begin to wait from here on.
local function entomb(results, retention, ticket, now_ms, retention_ms)
  redis.call('HSET', results, ticket, cjson.encode({ status = 'cancelled', reason = 'superseded', ended_ms = now_ms }))
  redis.call('ZADD', retention, retention_ms, ticket)
end
