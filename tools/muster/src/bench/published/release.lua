-- release: puts claimed tickets back into the line.
--
-- KEYS[1] queue   zset: ticket -> rating
-- KEYS[2] claimed zset: ticket -> when it was claimed, ms
-- ARGV    for each ticket: its rating, the ticket
-- Returns how many

for i = 1, #ARGV, 2 do
  if redis.call('ZREM', KEYS[2], ARGV[i + 1]) == 1 then
    redis.call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
return #ARGV / 2
