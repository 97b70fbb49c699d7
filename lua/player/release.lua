-- release: gives a player back whose join came to nothing.
--
-- KEYS    player
-- ARGV    ticket that asked
-- Returns {"RELEASED"} | {"HELD"}
-- Limits  constant work

local player = unpack(KEYS)
local ticket = ARGV[1]

if redis.call('GET', player) ~= ticket then return { 'HELD' } end
redis.call('DEL', player)
return { 'RELEASED' }
