import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { ResolvedOptions } from '../options/options.ts'
import { isCrossOrigin, isEncrypted } from './cors.ts'

/**
 * The name of the browser cookie: one short random value per browser, to which the tickets of native
 * EventSources are bound (`Tickets`). The value contains nothing of a session. It therefore never
 * grows, and serves all tabs, identities and servers of the browser.
 */
const NAME = 'particle'
/**
 * The name over https. Browsers accept this prefix from https only, so that no page of http can set the
 * cookie.
 */
const SECURE_NAME = `__Secure-${NAME}`
const VALUE = /^[\w-]{22}$/

/**
 * Returns the values of a request's browser cookies, without malformed ones. A browser may hold several
 * cookies, of different paths.
 */
export function browserValues(request: IncomingMessage): string[] {
  const { cookie } = request.headers
  if (!cookie) return []
  const pairs = cookie.split(';').map((pair) => pair.trim().split('='))
  const valuesOf = (wanted: string) =>
    pairs.flatMap(([name, value = '']) => (name === wanted && VALUE.test(value) ? [value] : []))
  // Prefers the prefixed cookie. Another page of the site could have set the other cookie.
  return [...valuesOf(SECURE_NAME), ...valuesOf(NAME)]
}

/** Returns the browser's value, or a new value for a browser without one. */
export function browserValue(request: IncomingMessage): string {
  return browserValues(request)[0] ?? randomBytes(16).toString('base64url')
}

/**
 * Creates the `Set-Cookie` header that stores a value in the browser. The header names no `Path`. The browser
 * then uses the folder of its request's address, which is right even behind a proxy that strips a prefix (RFC
 * 6265, 5.1.4).
 */
export function browserCookie(
  request: IncomingMessage,
  value: string,
  { sessionTtl, allowOrigin }: Pick<ResolvedOptions, 'sessionTtl' | 'allowOrigin'>,
): string {
  const forwarded = String(request.headers['x-forwarded-proto'] ?? '').split(',')[0]
  const isSecure = isEncrypted(request) || forwarded?.trim() === 'https'
  // Uses `SameSite=None` for pages of another site, since browsers send them no other cookie. That needs
  // `Secure`. `Partitioned` keeps the cookie alive in a frame where third-party cookies are blocked (CHIPS).
  const site = isCrossOrigin(request, allowOrigin)
    ? 'SameSite=None; Secure; Partitioned'
    : `SameSite=Strict${isSecure ? '; Secure' : ''}`
  const name = isSecure ? SECURE_NAME : NAME
  return `${name}=${value}; Max-Age=${Math.ceil(sessionTtl / 1000)}; HttpOnly; ${site}`
}
