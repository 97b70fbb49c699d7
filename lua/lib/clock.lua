-- clock: bounds the trust in a caller's clock.
--
-- Time is an argument of every script, so that a test can say what it is. One caller whose clock runs ahead would end every
-- ticket of a pool: the clock of Redis bounds it where a script ends tickets by time.

-- The caller's time, at most ahead_ms later than the time of Redis; 0 to believe any.
local function believed(now_ms, ahead_ms)
  if ahead_ms == 0 then return now_ms end
  local fine, time = pcall(redis.call, 'TIME')
  return fine and math.min(now_ms, 1000 * time[1] + math.floor(time[2] / 1000) + ahead_ms) or now_ms
end
