-- matches: reads and marks a match's record.

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
