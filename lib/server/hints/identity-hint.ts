import type { IncomingMessage } from 'node:http'
import { readsOfParameter } from '../../source/callbacks/index.ts'
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
/** Matches the message of a TypeError about a missing value. */
const MISSING = /\bof undefined\b|\bis undefined\b|\bundefined is not\b|\bis not a function\b/

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
  // Detects a session cookie that no middleware has read, so that a logged-in user looks like a stranger.
  const unread = fields.session === undefined && SESSION_COOKIE.test(request.headers?.cookie ?? '')
  const middlewares = threw || unread ? { ...ALWAYS, ...SOMETIMES } : ALWAYS
  const [read] = readsOfParameter(lookup, 3, Object.keys(middlewares)).filter(
    (name) => fields[name] === undefined,
  )
  // Assumes the session for a lookup that passes its request to another function.
  const name = read ?? (threw && fields.session === undefined ? 'session' : undefined)
  if (name === undefined) return undefined
  return `request.${name} is undefined: is ${middlewares[name]} mounted after Particle's? Mount it before`
}
