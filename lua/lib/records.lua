-- records: reads and marks what the records of tickets and matches hold.

-- Whether a list, if there is one, holds a value.
local function has(list, value)
  for _, one in ipairs(list or {}) do
    if one == value then return true end
  end
  return false
end

-- A ticket's record [players, rating, joined_ms, expires_ms, attempts, push?, imported?]; nil for one that only a later version
-- can read, which is left as it is.
local function ticket_of(text)
  local fine, record = pcall(cjson.decode, text or '')
  return fine and type(record) == 'table' and tonumber(record[5]) and record or nil
end

-- All parties of a match, team after team.
local function members_of(record)
  local members = {}
  for _, team in ipairs(record.teams) do
    for _, member in ipairs(team) do
      members[#members + 1] = member
    end
  end
  return members
end

-- A player's phone was heard. The party is ready when each of its phones was.
local function hear(member, player)
  member.heard = member.heard or {}
  member.heard[#member.heard + 1] = player
  member.ready = #member.heard == #member.players or nil
end
