-- heartbeat: a live matcher holds on to its matches.
--
-- KEYS[1] leases zset: match -> until when it holds its tickets, ms
-- ARGV[1] now_ms
-- ARGV[2] lease_ms, the new end
-- ARGV[3..] matches
-- Returns {"EXTENDED" | "LEASE_LOST", ...}, a word for each match
-- Limits  O(matches * log n)
--
-- A lease that has run out is not extended: from that moment on its tickets are anybody's.

local leases = KEYS[1]
local now_ms, lease_ms = tonumber(ARGV[1]), ARGV[2]

local words = {}
for i = 3, #ARGV do
  if tonumber(redis.call('ZSCORE', leases, ARGV[i]) or 0) > now_ms then
    redis.call('ZADD', leases, 'XX', 'GT', lease_ms, ARGV[i])
    words[#words + 1] = 'EXTENDED'
  else
    words[#words + 1] = 'LEASE_LOST'
  end
end
return words
