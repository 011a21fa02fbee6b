import { type ErrorCode, ParticleError } from '../errors.ts'
import { withoutQuery } from './address.ts'
import { type Failure, isFinal } from './transport.ts'

/** Lists the HTTP statuses of servers and gateways that are unavailable for a while. */
const UNAVAILABLE_STATUSES: readonly number[] = [429, 502, 503, 504]
/** Counts the failed tries after which the client reports an unavailable server or gateway. */
const TRIES_BEFORE_REPORT = 3
/** Limits `Retry-After`, in milliseconds. A longer delay would make the visitors of a page wait too long. */
const MAX_RETRY_AFTER_MS = 300_000

/**
 * Describes an unexpected answer as a failure. Only an answer of Particle's own form, `{ error: { code,
 * message } }`, can be final. Any other answer may come from a proxy, a firewall, a captive portal or another
 * route.
 *
 * @param request the method and the address: `POST http://localhost/particle/handshake`
 * @param wanted the expected type: `JSON`
 * @param now milliseconds since the epoch
 */
export async function failureOf(
  request: string,
  response: Response,
  wanted: string,
  now: number,
): Promise<Failure> {
  const { status, headers, redirected, url } = response
  const asked = withoutQuery(request)
  const type = headers.get('Content-Type')?.split(';')[0] || 'without a type'
  // A body of another type may have no end.
  const json = /json/.test(type)
  const body = json ? await response.json().catch(() => {}) : response.body?.cancel().catch(() => {})
  const { code, message, token } = Object(Object(body).error)
  const after = headers.get('Retry-After') ?? ''
  const wait = Math.min(MAX_RETRY_AFTER_MS, Number(after) * 1000 || Date.parse(after) - now || 0)
  const unavailable = UNAVAILABLE_STATUSES.includes(status)
  // Delays the report: a server or a gateway may be unavailable for a moment during each deploy.
  const delayed = unavailable ? { reportAfter: TRIES_BEFORE_REPORT } : {}
  const own = typeof code === 'string' && typeof message === 'string'
  const other = json && wanted === 'JSON' ? "Particle's JSON" : wanted
  const detour = redirected ? ` (redirected to ${withoutQuery(url)})` : ''
  const question =
    status === 404
      ? "is the client's url the one that the browser must use, and is Particle mounted there?"
      : "is another route before Particle's?"
  const text = own ? `: ${message}` : ` ${type}${detour}, not ${other}: ${question}`
  const known = own ? (code as ErrorCode) : unavailable ? 'UNAVAILABLE' : 'INVALID_MESSAGE'
  return {
    ...delayed,
    error: new ParticleError(known, `${asked} answered ${status}${text}`),
    type: own && status < 500 && isFinal(code) ? 'denied' : undefined,
    own,
    token,
    wait,
    isUnauthorized: status === 401 || code === 'UNAUTHORIZED',
  }
}

/** Describes a request without an answer as a failure. `question` asks for the likely cause. */
export function networkFailure(request: string, cause: unknown, question = ''): Failure {
  // Node's fetch keeps the reason in the cause of its error.
  const reason = Object(cause).cause?.message
  const text = `${withoutQuery(request)} failed: ${cause}${reason ? ` (${reason})` : ''}${question}`
  return { error: new ParticleError('UNAVAILABLE', text, { cause }) }
}
