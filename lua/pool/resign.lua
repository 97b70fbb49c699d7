-- resign: a matcher that leaves lets the next one lead at once.
--
-- KEYS    leader, waiting, leases, runs
-- ARGV    token; manner: leave, whatever is there, or idle, unless there is work; ...names and values to be remembered
-- Returns {"RESIGNED"} | {"BUSY"} | {"FOLLOWING"}
-- Limits  constant work
--
-- A matcher that lets an idle pool go must not miss a ticket that came since its last look: its doorbell has found a leader, and left.

local leader, waiting, leases, runs = unpack(KEYS)
local token, manner = ARGV[1], ARGV[2]

if redis.call('GET', leader) ~= token then return { 'FOLLOWING' } end
if manner == 'idle' and redis.call('ZCARD', waiting) + redis.call('ZCARD', leases) > 0 then return { 'BUSY' } end
if #ARGV > 2 then redis.call('HSET', runs, unpack(ARGV, 3)) end
redis.call('DEL', leader)
return { 'RESIGNED' }
