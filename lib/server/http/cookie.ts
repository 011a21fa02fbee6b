import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { ResolvedOptions } from '../options/options.ts'
import { isCrossOrigin, isEncrypted } from './cors.ts'

/**
 * The browser cookie: one short random value for each browser, to which the tickets of native EventSources
 * are bound (see {@link Tickets}). It says nothing of a session, so that one value serves all tabs,
 * identities and servers that the browser sends it to, and never grows.
 */
const NAME = 'particle'
/** Browsers take a cookie of such a name over https alone, so that no page of http can set it. */
const SECURE_NAME = `__Secure-${NAME}`
const VALUE = /^[\w-]{22}$/

/**
 * The values of a request's browser cookies: a browser may hold several, of different paths. Malformed ones
 * are left out.
 */
export function browserValues(request: IncomingMessage): string[] {
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='))
  const valuesOf = (wanted: string) =>
    pairs.flatMap(([name, value = '']) => (name === wanted && VALUE.test(value) ? [value] : []))
  // Another page of the site could have set the one without a prefix.
  return [...valuesOf(SECURE_NAME), ...valuesOf(NAME)]
}

/** The browser's value, or a new one where it has none. */
export function browserValue(request: IncomingMessage): string {
  return browserValues(request)[0] ?? randomBytes(16).toString('base64url')
}

/**
 * The `Set-Cookie` header that keeps a value in the browser. It names no `Path`: the browser then takes the
 * folder of the address that it asked for, which is right behind a proxy that strips a prefix too (RFC 6265,
 * 5.1.4).
 */
export function browserCookie(
  request: IncomingMessage,
  value: string,
  { sessionTtl, allowOrigin }: Pick<ResolvedOptions, 'sessionTtl' | 'allowOrigin'>,
): string {
  const forwarded = String(request.headers['x-forwarded-proto'] ?? '').split(',')[0]
  const isSecure = isEncrypted(request) || forwarded?.trim() === 'https'
  // Pages of another site send a cookie with `SameSite=None` alone, which browsers take with `Secure` alone.
  // `Partitioned` lets it live in a frame where third-party cookies are blocked (CHIPS).
  const site = isCrossOrigin(request, allowOrigin)
    ? 'SameSite=None; Secure; Partitioned'
    : `SameSite=Strict${isSecure ? '; Secure' : ''}`
  return `${isSecure ? SECURE_NAME : NAME}=${value}; Max-Age=${Math.ceil(sessionTtl / 1000)}; HttpOnly; ${site}`
}
