import { createHash } from 'node:crypto'

/** Represents a Lua script. Sent by its digest, and as a whole to a server that doesn't know it yet. */
export interface Script {
  readonly text: string
  readonly sha: string
}

/** Runs a script. `command` sends one command. */
export async function runScript(
  command: (args: readonly string[]) => Promise<unknown>,
  script: Script,
  keys: readonly string[],
  args: readonly string[] = [],
): Promise<unknown> {
  const rest = [String(keys.length), ...keys, ...args]
  try {
    return await command(['EVALSHA', script.sha, ...rest])
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
    return await command(['EVAL', script.text, ...rest])
  }
}

export function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

// Detects a lost entry: the entry at a position must still exist, so that a position must always be that of
// an entry. If the newest entry is missing (a new stream, XTRIM to nothing, XDEL), appends an entry without a
// meaning.
const HEAD_FUNCTION = `
local function info(stream)
  local found = {}
  if redis.call('EXISTS', stream) == 0 then return found end
  local list = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #list, 2 do found[list[i]] = list[i + 1] end
  return found
end
local function head(stream)
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  if last and last[1] == info(stream)['last-generated-id'] then return last[1] end
  return redis.call('XADD', stream, '*', 'particle', 'start')
end
`

const NOW_FUNCTION = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`

// Computes a digest that is equal for equal content, whatever the order of a hash's fields (it changes while
// Redis rehashes a big hash).
const DIGEST_FUNCTION = `
local function digest(key)
  local kind = redis.call('TYPE', key).ok
  if kind == 'string' then return redis.sha1hex(redis.call('GET', key)) end
  if kind ~= 'hash' then return kind end
  local list, parts = redis.call('HGETALL', key), {}
  for i = 1, #list, 2 do
    parts[#parts + 1] = #list[i] .. ':' .. list[i] .. #list[i + 1] .. ':' .. list[i + 1]
  end
  table.sort(parts)
  return redis.sha1hex(table.concat(parts))
end
`

const READ_FUNCTION = `
local function read(key)
  local kind = redis.call('TYPE', key).ok
  if kind == 'hash' then return redis.call('HGETALL', key) end
  if kind == 'string' then return redis.call('GET', key) end
  return false
end
`

// Appends the deletes of expired documents. The first node does it for all nodes; a node without write access
// leaves it to the others.
const SWEEP_FUNCTION = `
local function sweep(stream, expiries, length)
  local time = now()
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', time, 'LIMIT', 0, 1000)) do
    local left = redis.call('PTTL', key)
    if left == -2 then
      redis.call('XADD', stream, 'MAXLEN', '~', length, '*', 'key', key, 'kind', 'delete')
    end
    if left < 0 then redis.call('ZREM', expiries, key) else redis.call('ZADD', expiries, time + left, key) end
  end
end
`

/**
 * Returns the id of the newest entry, after the deletes of expired documents, so that a read is not ahead of
 * the stream. KEYS: the stream, the sorted set of expiries. ARGV: the stream's length.
 */
export const HEAD = script(`${HEAD_FUNCTION}${NOW_FUNCTION}${SWEEP_FUNCTION}
pcall(sweep, KEYS[1], KEYS[2], ARGV[1])
return head(KEYS[1])`)

/**
 * Returns the id of the newest entry of an age, or of the oldest entry. KEYS: the stream. ARGV: milliseconds.
 */
export const PAST = script(`${HEAD_FUNCTION}${NOW_FUNCTION}
local newest = head(KEYS[1])
local time = math.max(0, now() - ARGV[1])
local found = redis.call('XREVRANGE', KEYS[1], string.format('%.0f', time), '-', 'COUNT', 1)[1]
found = found or redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
return found and found[1] or newest`)

/**
 * Returns the newest id that XDEL removed, and the entries from a position on, including its own and the
 * deletes of expired documents. KEYS: the stream, the sorted set of expiries. ARGV: the position, the number
 * of entries, the stream's length.
 */
export const FETCH = script(`${HEAD_FUNCTION}${NOW_FUNCTION}${SWEEP_FUNCTION}
pcall(sweep, KEYS[1], KEYS[2], ARGV[3])
local deleted = info(KEYS[1])['max-deleted-entry-id'] or '0-0'
return { deleted, redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2]) }`)

/** Returns for each key a flat list of a hash's fields and texts, a string, or null. KEYS: keys. */
export const READ = script(`${READ_FUNCTION}
local found = {}
for i, key in ipairs(KEYS) do found[i] = read(key) end
return found`)

/**
 * Returns whether a message was published, and the replies of {@link READ}. Publishes at the moment of the
 * read, so that all notifications of the read changes come before the message, and no other. KEYS: keys.
 * ARGV: a channel, a message.
 */
export const READ_FENCED = script(`${READ_FUNCTION}
local reply = redis.pcall('PUBLISH', ARGV[1], ARGV[2])
local found = { type(reply) == 'number' and 1 or 0 }
for i, key in ipairs(KEYS) do found[i + 1] = read(key) end
return found`)

/**
 * Returns the id of the stream's newest entry, as of which the keys were read, and the replies of
 * {@link READ}. Registers keys that will expire, so that their end is reported. KEYS: the stream, the sorted
 * set of expiries, keys.
 */
export const READ_AT = script(`${HEAD_FUNCTION}${NOW_FUNCTION}${READ_FUNCTION}
local function mark(key)
  local left = redis.call('PTTL', key)
  if left >= 0 then redis.call('ZADD', KEYS[2], now() + left, key) end
end
local found = { head(KEYS[1]) }
for i = 3, #KEYS do
  pcall(mark, KEYS[i])
  found[i - 1] = read(KEYS[i])
end
return found`)

/** Returns the reply of {@link READ} for a key, and its digest for {@link WRITE}. KEYS: a key. */
export const STATE = script(`${READ_FUNCTION}${DIGEST_FUNCTION}
return { read(KEYS[1]), digest(KEYS[1]) }`)

// Returns a key's content before a write, for the entry: a string, or a hash's texts by field. Leaves out
// content that is too long.
const BEFORE_FUNCTION = `
local function before(key, longest)
  local kind = redis.call('TYPE', key).ok
  if kind == 'string' and redis.call('STRLEN', key) <= longest then
    return 'before', redis.call('GET', key)
  end
  if kind ~= 'hash' then return nil end
  local list, texts = redis.call('HGETALL', key), {}
  for i = 1, #list, 2 do texts[list[i]] = list[i + 1] end
  local text = cjson.encode(texts)
  if #text <= longest then return 'beforeHash', text end
end
`

/**
 * Writes a document and its entry in one transaction. Returns 'conflict', 'nothing' (for a delete without a
 * document), 'insert' for a new key, else 'replace'. KEYS: a key, and with a stream, the stream and its
 * sorted set of expiries. ARGV: the digest that the key must have ('' for any); 'delete', 'json', 'hash' (the
 * whole), 'fields' (some); the time to live in ms ('keep' to leave it, '0' for none); the stream's length;
 * the maximum length of a document in the entry; then three lists, each after its length: the entry's fields;
 * the hash's fields to remove; the fields to set, or the one text.
 */
export const WRITE = script(`${NOW_FUNCTION}${DIGEST_FUNCTION}${BEFORE_FUNCTION}
local at = 0
local function take() at = at + 1 return ARGV[at] end
local function list()
  local items = {}
  for i = 1, tonumber(take()) do items[i] = take() end
  return items
end
local key, stream = KEYS[1], KEYS[2]
local expected, action, ttl, length, longest = take(), take(), take(), take(), tonumber(take())
local entry, removed, written = list(), list(), list()
if expected ~= '' and digest(key) ~= expected then return 'conflict' end
local kind = redis.call('TYPE', key).ok
local existed = kind == 'hash' or kind == 'string'
if action == 'delete' and not existed then return 'nothing' end
local expires = ttl ~= 'keep' and tonumber(ttl) > 0
-- Runs commands that may fail before those that change the document, because Redis does not roll back a
-- failed script. (Without memory, a script fails at its first write or not at all, unless that removes.)
if stream then
  if expected == '' and existed then
    local name, text = before(key, longest)
    if name then
      entry[#entry + 1] = name
      entry[#entry + 1] = text
    end
  end
  if action == 'json' or action == 'hash' then
    entry[#entry + 1] = 'kind'
    entry[#entry + 1] = existed and 'replace' or 'insert'
  end
  if action == 'delete' then redis.call('ZREM', KEYS[3], key) end
  redis.call('XADD', stream, 'MAXLEN', '~', length, '*', 'key', key, unpack(entry))
  if expires then
    redis.call('ZADD', KEYS[3], now() + ttl, key)
  elseif ttl ~= 'keep' then
    redis.call('ZREM', KEYS[3], key)
  end
end
if action == 'delete' then
  redis.call('DEL', key)
elseif action == 'json' then
  if ttl == 'keep' then
    redis.call('SET', key, written[1], 'KEEPTTL')
  else
    redis.call('SET', key, written[1])
  end
else
  if action == 'hash' and kind ~= 'none' then
    -- Writes before the DEL, after which Redis would no longer refuse for lack of memory.
    redis.call('SET', key, '')
    redis.call('DEL', key)
  end
  for i = 1, #removed, 1000 do redis.call('HDEL', key, unpack(removed, i, math.min(i + 999, #removed))) end
  for i = 1, #written, 1000 do redis.call('HSET', key, unpack(written, i, math.min(i + 999, #written))) end
end
if expires then redis.call('PEXPIRE', key, ttl) end
return existed and 'replace' or 'insert'`)

/**
 * Sets a time to live. Returns 1 for an existing key. KEYS: a key, and with a stream, its sorted set of
 * expiries. ARGV: the time to live in ms.
 */
export const EXPIRE = script(`${NOW_FUNCTION}
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if KEYS[2] then redis.call('ZADD', KEYS[2], now() + ARGV[1], KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])`)

/**
 * Removes all keys and returns their number. KEYS: the stream, if there is one. ARGV: the pattern of the
 * keys, their prefix, the stream's length.
 */
export const CLEAR = script(`
local cursor, count = '0', 0
-- Fails before any change if the key is no stream.
if KEYS[1] then redis.call('XLEN', KEYS[1]) end
repeat
  local page = redis.call('SCAN', cursor, 'MATCH', ARGV[1], 'COUNT', 1000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    local kind = redis.call('TYPE', key).ok
    if kind == 'hash' or kind == 'string' then count = count + redis.call('UNLINK', key) end
  end
until cursor == '0'
if KEYS[1] then
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'prefix', ARGV[2], 'kind', 'clear')
end
return count`)
