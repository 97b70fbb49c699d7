-- upkeep: notes pauses in which neither matcher nor sweeper looked at a pool. After a long one Redis was away.

-- After a pause of more than pause_ms between two looks, notes from when to when it lasted; after one of more than gap_ms, that
-- Redis was away. Returns when the pool was last looked after, when Redis was last away, and the last pause.
local function note_pause(stats, now_ms, gap_ms, pause_ms)
  local times = redis.call('HMGET', stats, 'upkeep_ms', 'away_ms', 'pause_from_ms', 'pause_to_ms')
  local upkeep_ms, away_ms = tonumber(times[1] or 0), tonumber(times[2] or 0)
  local from_ms, to_ms = tonumber(times[3] or 0), tonumber(times[4] or 0)
  if upkeep_ms > 0 and now_ms > upkeep_ms + pause_ms then
    from_ms, to_ms, away_ms = upkeep_ms, now_ms, now_ms > upkeep_ms + gap_ms and now_ms or away_ms
    upkeep_ms = now_ms
    redis.call('HSET', stats, 'upkeep_ms', now_ms, 'away_ms', away_ms, 'pause_from_ms', from_ms, 'pause_to_ms', to_ms)
  end
  return upkeep_ms, away_ms, from_ms, to_ms
end
