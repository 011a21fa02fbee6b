import { type Script, script } from './script.ts'

// Tests documents by a plan (see plan.ts): leaves out a document only if it certainly can't match. `work`
// counts microseconds approximately, so that no call blocks Redis for long: the clock stands still while a
// script runs.
const JUDGE_FUNCTIONS = `
local NULL, decode, find, byte = cjson.null, cjson.decode, string.find, string.byte
-- Limits the length of tested texts: decoding takes about 15 ms for a megabyte.
local LONGEST, BUDGET = 65536, 2000
local RANKS = { userdata = 0, number = 1, string = 2, table = 3, boolean = 5 }
local BOOLEANS = { ['1'] = true, ['true'] = true, ['0'] = false, ['false'] = false }
local work = 0

-- Compares two texts, of which the second is valid UTF-8. Returns nil if bytes don't decide, because the
-- first text may not be UTF-8. Lua's own order depends on the server's locale.
local function compare(a, b)
  if a == b then return 0 end
  local shorter = math.min(#a, #b)
  for i = 1, shorter do
    local x, y = byte(a, i), byte(b, i)
    if x ~= y then
      if x > 127 or y > 127 then return nil end
      return x < y and -1 or 1
    end
  end
  if #a > shorter then return 1 end
  if byte(b, shorter + 1) > 127 then return nil end
  return -1
end

-- Checks that a value other than an array, or nil for a missing value, may pass a test.
local function passes(value, test)
  -- Treats a number beyond all doubles as null, as walkable does.
  if value == nil or value == math.huge or value == -math.huge then value = NULL end
  if test.set then return test.set[value] == true end
  local rank, order = RANKS[type(value)], nil
  if rank ~= test.rank then
    if not test.sorts then return false end
    order = rank < test.rank and -1 or 1
  elseif rank == 1 then
    order = value < test.bound and -1 or value > test.bound and 1 or 0
  elseif rank == 2 then
    order = compare(value, test.bound)
  elseif rank == 0 then
    order = 0
  end
  return order == nil or order >= test.low and order <= test.high
end

-- Checks that one of the values at a path may pass, from a segment on. An empty array looks like an empty
-- object.
local function reaches(value, test, at)
  local name = test.path[at]
  if type(value) ~= 'table' then
    if name then value = nil end
    return passes(value, test)
  end
  if test.sorts and (#value > 0 or not name) then return true end
  if name and #value == 0 then return reaches(value[name], test, at + 1) end
  for i = 1, #value do
    local element = value[i]
    if not name then
      if passes(element, test) then return true end
    elseif type(element) == 'table' and #element == 0 and reaches(element, test, at) then
      return true
    end
  end
  return false
end

local function parse(text)
  work = work + #text / 60
  return pcall(decode, text)
end

-- Checks that JSON.parse reads a text as the same value: cjson accepts more than JSON.
local function isSure(text, value)
  local kind = type(value)
  if kind == 'string' then return not find(text, '%c') end
  if kind ~= 'number' then return text == (value == NULL and 'null' or tostring(value)) end
  local digits = string.match(text, '^%-?(%d+)$') or string.match(text, '^%-?(%d+)%.%d+$')
  return digits and (digits == '0' or byte(digits) ~= 48)
end

-- Checks that the value of a text may pass; false stands for a missing text. A text that doesn't fit its
-- codec stays a string.
local function stands(text, test)
  if not text then return passes(nil, test) end
  if test.codec == 'json' then
    if #text > LONGEST then return true end
    local ok, value = parse(text)
    if ok then
      if reaches(value, test, 2) then return true end
      if isSure(text, value) then return false end
    elseif find(text, '^%s*[%[{"]') then
      return true
    end
  end
  if test.path[2] then return passes(nil, test) end
  if test.codec == 'boolean' and BOOLEANS[text] ~= nil then return passes(BOOLEANS[text], test) end
  if test.codec == 'number' then
    local number = tonumber(text)
    if number then
      if passes(number, test) then return true end
      local plain = find(text, '^[+-]?%d+%.?%d*$') or find(text, '^[+-]?%.%d+$')
      if plain and (number ~= math.floor(number) or math.abs(number) < 2 ^ 53) then return false end
    end
  end
  return passes(text, test)
end

-- Checks that a document may match, by the rest of its key, and its texts or its value.
local function may(test, rest, texts, value)
  if test.all then
    for _, part in ipairs(test.all) do if not may(part, rest, texts, value) then return false end end
    return true
  end
  if test.any then
    for _, part in ipairs(test.any) do if may(part, rest, texts, value) then return true end end
    return false
  end
  if test.path[1] == '_id' then return stands(rest, test) end
  if texts then return stands(texts[test.at], test) end
  return reaches(value, test, 1)
end

-- Checks that a JSON text without escapes can't match: it contains none of the wanted strings.
local function lacks(test, text)
  if test.all then
    for _, part in ipairs(test.all) do if lacks(part, text) then return true end end
    return false
  end
  if test.any then
    for _, part in ipairs(test.any) do if not lacks(part, text) then return false end end
    return true
  end
  if not test.needles then return false end
  for _, needle in ipairs(test.needles) do if find(text, needle, 1, true) then return false end end
  return true
end

local function prepare(test)
  for _, part in ipairs(test.all or test.any or {}) do prepare(part) end
  if test.low then test.rank = RANKS[type(test.bound)] end
  if not test.values then return end
  test.set = {}
  if #test.values <= 4 and test.path[1] ~= '_id' then test.needles = {} end
  for _, value in ipairs(test.values) do
    test.set[value] = true
    if type(value) ~= 'string' then test.needles = nil end
    if test.needles then table.insert(test.needles, '"' .. value .. '"') end
  end
end

-- What a key holds, where that is a document that may match, else false.
local function selection(prefix, json)
  -- A query that is nested too deeply is not judged.
  local isPlan, plan = pcall(decode, json)
  if not isPlan then plan = nil end
  if plan then prepare(plan.test) end
  return function(key)
    local kind = redis.call('TYPE', key).ok
    work = work + 1
    if kind == 'hash' then
      if plan then
        local texts = plan.names[1] and redis.call('HMGET', key, unpack(plan.names)) or {}
        work = work + 2
        if not may(plan.test, string.sub(key, #prefix + 1), texts) then return false end
      end
      local list = redis.call('HGETALL', key)
      work = work + 3 + #list / 3
      for i = 2, #list, 2 do work = work + #list[i] / 500 end
      return list
    end
    if kind ~= 'string' then return false end
    local text = redis.call('GET', key)
    work = work + 2 + #text / 500
    if not plan then return text end
    if not find(text, '\\\\', 1, true) and lacks(plan.test, text) then return false end
    if #text > LONGEST then return text end
    local ok, value = parse(text)
    if ok and not may(plan.test, string.sub(key, #prefix + 1), nil, value) then return false end
    return text
  end
end
`

/**
 * Scans for about 2 ms. Returns the next cursor, the number of scanned keys, and a flat list of the keys that
 * may match with their replies of `READ`; 1 for a key that there was no time for. ARGV: a cursor, the
 * pattern of the keys, their prefix, a plan or ''.
 */
export const SCAN_SELECTED: Script = script(`${JUDGE_FUNCTIONS}
local cursor, count, found = ARGV[1], 0, {}
local selected = selection(ARGV[3], ARGV[4])
repeat
  local page = redis.call('SCAN', cursor, 'MATCH', ARGV[2], 'COUNT', 100)
  cursor = page[1]
  work = work + 40
  count = count + #page[2]
  for _, key in ipairs(page[2]) do
    local raw = work > 2 * BUDGET and 1 or selected(key)
    if raw then
      found[#found + 1] = key
      found[#found + 1] = raw
    end
  end
until cursor == '0' or work > BUDGET
return { cursor, count, found }`)

/**
 * Returns for each key the reply of {@link SCAN_SELECTED}, or null; never 1 for the first. KEYS: keys. ARGV:
 * their prefix, a plan or ''.
 */
export const READ_SELECTED: Script = script(`${JUDGE_FUNCTIONS}
local found = {}
local selected = selection(ARGV[1], ARGV[2])
for i, key in ipairs(KEYS) do found[i] = i > 1 and work > BUDGET and 1 or selected(key) end
return found`)
