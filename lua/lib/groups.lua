-- groups: reads a list of matches with their tickets: match, its record, number of tickets n, then n tickets; and so on.

-- From place `at` of the list on: the matches, the places of each one's first and last ticket, and all tickets. A match's record
-- stands two places before its first ticket. A table for each match would cost more than all else that scripts do for it.
local function groups_of(list, at)
  local ids, firsts, lasts, everyone, matches, tickets, size = {}, {}, {}, {}, 0, 0, #list
  while at <= size do
    local first, last = at + 3, at + 2 + list[at + 2]
    matches = matches + 1
    ids[matches], firsts[matches], lasts[matches] = list[at], first, last
    for i = first, last do
      tickets = tickets + 1
      everyone[tickets] = list[i]
    end
    at = last + 1
  end
  return ids, firsts, lasts, everyone
end

-- Of each ticket: false if it does not wait, else its order; later the number of the match that asked for it last.
local function free_of(waiting, everyone)
  local free = {}
  for i, order in ipairs(redis.call('ZMSCORE', waiting, unpack(everyone))) do
    free[everyone[i]] = order
  end
  return free
end

-- Whether all tickets of match number i are free, each named once. Notes that it asked for them.
local function all_free(free, list, first, last, i)
  local whole = true
  for t = first, last do
    local state = free[list[t]]
    whole = whole and state and state ~= i
    free[list[t]] = state and i
  end
  return whole
end
