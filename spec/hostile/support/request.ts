import type { Random } from './random.ts'
import { Visitor } from './visitor.ts'

/** A request before it is written to a socket. */
export interface Crafted {
  method: string
  path: string
  headers: [name: string, value: string][]
  body: string
}

const METHODS = [
  'GET',
  'POST',
  'HEAD',
  'OPTIONS',
  'PUT',
  'DELETE',
  'PATCH',
  'TRACE',
  'CONNECT',
  'PROPFIND',
  'get',
]
const PATHS = [
  '/particle/handshake',
  '/particle/stream',
  '/particle/client.js',
  '/particle/',
  '/particle/stream/',
  '/particle//stream',
  '/particle/%73tream',
  '/particle/../particle/stream',
  '/particle/client.js/../../package.json',
  'http://other.example.com/particle/stream',
  '//particle/stream',
  '/__proto__',
  '/constructor',
  '*',
  '/',
  '/%E0%A4%A',
]
const NAMES = [
  'Content-Length',
  'Content-Type',
  'Transfer-Encoding',
  'Authorization',
  'Cookie',
  'Last-Event-ID',
]
const MORE = [
  'Origin',
  'Expect',
  'Upgrade',
  'Connection',
  'Content-Encoding',
  'Accept-Encoding',
  'Range',
  'Host',
]
const VALUES = [
  '',
  '0',
  '-1',
  '1e9',
  '100001',
  'chunked',
  'gzip',
  '100-continue',
  'websocket',
  'Upgrade',
  'close',
]
const ODD = [
  'bytes=0-1',
  'https://a.example.com',
  'null',
  'Bearer',
  'Bearer a.b.c',
  'particle=',
  'keep-alive',
  'ÿ\x80',
]
const TYPES = [
  'application/json',
  'application/json; charset=utf-16',
  'text/plain',
  'application/ld+json',
  'a/b',
  '',
]

/** Makes any value of JSON; names and texts are those that reach into prototypes, queries and paths. */
function jsonOf(random: Random, depth = 0): unknown {
  const kind = random.below(depth > 4 ? 5 : 8)
  if (kind === 0) return random.pick([null, true, false, 0, -1, 1e308, 2 ** 53, 0.1])
  if (kind < 3)
    // No user's name: the target takes a list for the teams of a client, which then sees their rows by right.
    return random.pick(['', '@user', '$ne', '__proto__', 'adam', 'constructor', '\u0000', '\ud800', '.'])
  if (kind < 5) return random.below(1000)
  if (kind === 5) return Array.from({ length: random.below(5) }, () => jsonOf(random, depth + 1))
  const names = [
    '$ne',
    '$in',
    '$regex',
    '$where',
    '$gt',
    'user',
    '_id',
    'length',
    'toJSON',
    'then',
    '$oid',
    'a.b',
    '',
  ]
  return Object.fromEntries(
    Array.from({ length: random.below(5) }, () => [random.pick(names), jsonOf(random, depth + 1)]),
  )
}

/** Makes a handshake of the visitor, right or wrong. */
function handshake(random: Random, visitor: Visitor): Crafted {
  const { user, password } = visitor
  const claims = [
    { user, password },
    { user, password },
    { user, password, slow: true },
    { user: random.pick(['ada', 'ben', '__proto__']), password },
    { fail: true },
    { raw: jsonOf(random) },
    jsonOf(random),
  ]
  const body: Record<string, unknown> = { identity: random.pick(claims) }
  if (random.chance(0.3)) body.previous = tokenOf(random, visitor)
  if (random.chance(0.4)) body.carrier = random.pick<unknown>(['header', 'address', '', null, 1, {}])
  return post('/particle/handshake', random.chance(0.9) ? body : jsonOf(random))
}

/** Makes a request for a stream: the token by a header, the address or a body, with any position. */
function stream(random: Random, visitor: Visitor): Crafted {
  const token = tokenOf(random, visitor)
  const lastEventId = broken(random, random.pick(Visitor.positions))
  const headers: Crafted['headers'] = []
  if (random.chance(0.3)) headers.push(['Cookie', random.pick(visitor.cookies)])
  if (random.chance(0.4)) headers.push(['Last-Event-ID', lastEventId])
  if (random.chance(0.3)) {
    const made = post('/particle/stream', random.chance(0.9) ? { token, lastEventId } : jsonOf(random))
    return { ...made, headers: [...made.headers, ...headers] }
  }
  if (random.chance(0.5)) headers.push(['Authorization', `Bearer ${token}`])
  const ticket = encodeURIComponent(random.chance(0.5) ? random.pick(visitor.tickets) : token)
  const path = headers.length > 1 ? '/particle/stream' : `/particle/stream?token=${ticket}`
  return { method: 'GET', path, headers, body: '' }
}

function post(path: string, body: unknown): Crafted {
  const text = JSON.stringify(body)
  const length: [string, string] = ['Content-Length', String(Buffer.byteLength(text))]
  return { method: 'POST', path, headers: [['Content-Type', 'application/json'], length], body: text }
}

/** One of the visitor's own tokens, at times with a character changed. */
function tokenOf(random: Random, visitor: Visitor): string {
  return broken(random, random.pick(random.chance(0.8) ? visitor.tokens.slice(-3) : visitor.tokens))
}

function broken(random: Random, text: string): string {
  if (text === '' || random.chance(0.8)) return text
  const at = random.below(text.length)
  return text.slice(0, at) + random.pick(['', 'A', '.', '~', '-', 'é']) + text.slice(at + random.below(3))
}

/** Changes one part of a request. */
function twist(random: Random, made: Crafted): void {
  const kind = random.below(6)
  if (kind === 0) made.method = random.pick(METHODS)
  else if (kind === 1) made.path = random.pick(PATHS)
  else if (kind === 2)
    made.path += random.pick(['?', '&token=', '?token=%', '#x', '/', ';x', '?lastEventId=', '%00'])
  else if (kind === 3) made.headers.push([random.pick([...NAMES, ...MORE]), random.pick([...VALUES, ...ODD])])
  else if (kind === 4) made.headers.push(['Content-Type', random.pick(TYPES)])
  else made.body = made.body.slice(0, random.below(made.body.length + 1))
}

/** Makes a request, most of them nearly right: what is far from right is refused by Node's parser already. */
export function craft(random: Random, visitor: Visitor): Crafted {
  const kind = random.below(20)
  const made =
    kind < 8
      ? handshake(random, visitor)
      : kind < 17
        ? stream(random, visitor)
        : { method: 'GET', path: random.pick(PATHS), headers: [], body: '' }
  for (let twists = random.pick([0, 0, 0, 0, 0, 1, 1, 2]); twists > 0; twists--) twist(random, made)
  return made
}

/** Writes a request as bytes, at times with some of them changed. */
export function bytesOf(random: Random, made: Crafted): Buffer {
  const headers = [['Host', 'localhost'], ...made.headers].map(([name, value]) => `${name}: ${value}\r\n`)
  const version = random.chance(0.95) ? '1.1' : random.pick(['1.0', '2.0', '0.9', ''])
  const bytes = Buffer.from(
    `${made.method} ${made.path} HTTP/${version}\r\n${headers.join('')}\r\n${made.body}`,
  )
  if (random.chance(0.98)) return bytes
  for (let times = 1 + random.below(4); times > 0; times--)
    bytes[random.below(bytes.length)] = random.below(256)
  return random.chance(0.7) ? bytes : Buffer.concat([bytes, random.bytes(random.below(200))])
}
