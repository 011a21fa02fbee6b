import type { IncomingMessage } from 'node:http'
import type { Json } from '../../model/document.ts'
import { isObject } from '../../model/json.ts'
import { readsOfParameter, usesParameter } from '../../source/callbacks/index.ts'
import type { IdentityLookup } from '../options/identity-lookup.ts'

/** Maps the fields that middlewares set on every request to the middleware. */
const ALWAYS: Readonly<Record<string, string>> = {
  session: 'a session middleware (express-session, cookie-session)',
  cookies: 'cookie-parser',
  signedCookies: 'cookie-parser',
}
/** Maps the fields that middlewares set on authenticated requests to the middleware. */
const SOMETIMES: Readonly<Record<string, string>> = {
  user: 'the middleware that authenticates (passport)',
  isAuthenticated: 'the middleware that authenticates (passport)',
  auth: 'the middleware that authenticates',
}
/** Matches the cookie of a session: `connect.sid`, `session`, `app_sess`. */
const SESSION_COOKIE = /(?:^|;\s*)[\w.-]*(?:sid|sess)[\w.-]*=/i
/** Matches the header of a token that a middleware reads. */
const BEARER = /^bearer /i
/** Matches the message of a TypeError about a missing value. */
const MISSING = /\bof undefined\b|\bis undefined\b|\bundefined is not\b|\bis not a function\b/

/** Matches the message of a TypeError about null. */
const OF_NULL = /\bof null\b|\bis null\b|\bnull is not\b/

/**
 * Names the order of the parameters. Applies when a lookup failed on the null that a client presented, and
 * declares no request: it probably takes its first parameter for the request.
 *
 * @param given the identity that the client presented
 * @param error the error that the lookup threw
 */
export function swappedRequest(lookup: IdentityLookup, given: Json, error: unknown): string | undefined {
  const threw = error instanceof TypeError && OF_NULL.test(error.message)
  if (given !== null || !threw || lookup.length > 2 || usesParameter(lookup, 3)) return undefined
  return 'its first argument is the presented identity; the request is its third: (identity, done, request)'
}

/**
 * Names the middleware that is probably mounted after Particle's. Applies when a lookup refused a client or
 * failed, and read a missing field of its request.
 *
 * @param error the error that the lookup threw, if it threw
 */
export function missingMiddleware(
  lookup: IdentityLookup,
  request: IncomingMessage | undefined,
  error?: unknown,
): string | undefined {
  if (!request) return undefined
  const threw = error instanceof TypeError && MISSING.test(error.message)
  if (error !== undefined && !threw) return undefined
  const fields = request as unknown as Record<string, unknown>
  const middlewares = threw || isUnread(fields, request.headers) ? { ...ALWAYS, ...SOMETIMES } : ALWAYS
  const [read] = readsOfParameter(lookup, 3, Object.keys(middlewares)).filter(
    (name) => fields[name] === undefined,
  )
  // Assumes the session for a lookup that passes its request to another function.
  const name = read ?? (threw && fields.session === undefined ? 'session' : undefined)
  if (name === undefined) return undefined
  return `request.${name} is undefined: is ${middlewares[name]} mounted after Particle's? Mount it before`
}

/**
 * Checks whether a request brings a login that no middleware has read: a session cookie, a session in which
 * passport keeps a user, or a bearer token. A logged-in user then looks like a stranger.
 */
function isUnread(
  { session }: Record<string, unknown>,
  headers: IncomingMessage['headers'] | undefined,
): boolean {
  if (BEARER.test(headers?.authorization ?? '')) return true
  if (session === undefined) return SESSION_COOKIE.test(headers?.cookie ?? '')
  return Object(Object(session).passport).user !== undefined
}

/**
 * Names the way to renew a login by JWT. Applies when a lookup without a request met an expired JWT: the
 * server has renewed a stream with the JWT of the client's first handshake.
 *
 * @param given the identity that the client presented
 */
export function expiredJwt(
  lookup: IdentityLookup,
  given: Json,
  request: IncomingMessage | undefined,
): string | undefined {
  const texts = isObject(given) ? Object.values(given) : [given]
  if (request || usesParameter(lookup, 3) || !texts.some(hasExpired)) return undefined
  return (
    'the presented JWT has expired: read the request, the third parameter of identityLookup; ' +
    'each renewal is then a handshake of the client, which presents a new JWT'
  )
}

function hasExpired(text: Json | undefined): boolean {
  if (typeof text !== 'string') return false
  const [, claims, signature] = text.split('.')
  if (!claims || signature === undefined) return false
  try {
    const { exp } = Object(JSON.parse(Buffer.from(claims, 'base64url').toString()))
    return typeof exp === 'number' && exp * 1_000 <= Date.now()
  } catch {
    return false
  }
}
