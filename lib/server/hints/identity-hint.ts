import type { IncomingMessage } from 'node:http'
import { readsOfParameter } from '../../source/callbacks/index.ts'
import type { IdentityLookup } from '../options/identity-lookup.ts'

/** What middlewares put on every request that they see, and which do. */
const ALWAYS: Readonly<Record<string, string>> = {
  session: 'a session middleware (express-session, cookie-session)',
  cookies: 'cookie-parser',
  signedCookies: 'cookie-parser',
}
/** What middlewares put on the requests of users who are logged in, or that they authenticate. */
const SOMETIMES: Readonly<Record<string, string>> = {
  user: 'the middleware that authenticates (passport)',
  isAuthenticated: 'the middleware that authenticates (passport)',
  auth: 'the middleware that authenticates',
}
/** Finds the cookie of a session: `connect.sid`, `session`, `app_sess`. */
const SESSION_COOKIE = /(?:^|;\s*)[\w.-]*(?:sid|sess)[\w.-]*=/i
/** What a TypeError says where a value is missing. */
const MISSING = /\bof undefined\b|\bis undefined\b|\bundefined is not\b|\bis not a function\b/

/**
 * Tells which middleware is probably mounted after Particle's, where a lookup refused a client or failed, and
 * reads of its request what is not there.
 *
 * @param error what the lookup threw, where it threw
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
  // Nobody has read the session that the browser sent: a user who is logged in looks like a stranger.
  const unread = fields.session === undefined && SESSION_COOKIE.test(request.headers?.cookie ?? '')
  const middlewares = threw || unread ? { ...ALWAYS, ...SOMETIMES } : ALWAYS
  const [read] = readsOfParameter(lookup, 3, Object.keys(middlewares)).filter(
    (name) => fields[name] === undefined,
  )
  // A lookup that hands its request on reads the session somewhere else.
  const name = read ?? (threw && fields.session === undefined ? 'session' : undefined)
  if (name === undefined) return undefined
  return `request.${name} is undefined: is ${middlewares[name]} mounted after Particle's? Mount it before`
}
