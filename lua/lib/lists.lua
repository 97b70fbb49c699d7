-- lists: looks into lists.

-- Whether a list, if there is one, holds a value.
local function has(list, value)
  for _, one in ipairs(list or {}) do
    if one == value then return true end
  end
  return false
end
