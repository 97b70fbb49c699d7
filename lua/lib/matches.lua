-- matches: reads a match's record.

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
