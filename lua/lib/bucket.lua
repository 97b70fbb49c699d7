-- bucket: a token bucket, kept as one number: the time at which it is full again (GCRA, ITU-T I.371).

-- When the bucket is full after one more ask, and how long that ask has to wait; 0 to go on.
local function ask(full_ms, now_ms, every_ms, burst)
  local next_ms = math.max(tonumber(full_ms or 0), now_ms) + every_ms
  return next_ms, math.max(next_ms - now_ms - burst * every_ms, 0)
end

-- The same for a player whose bucket is in `paces`. An ask that goes on is counted. Nothing is counted where every_ms is 0.
local function early_ms(paces, whose, now_ms, every_ms, burst)
  if every_ms == 0 then return 0 end
  local full_ms, wait_ms = ask(redis.call('ZSCORE', paces, whose), now_ms, every_ms, burst)
  if wait_ms == 0 then redis.call('ZADD', paces, full_ms, whose) end
  return wait_ms
end
