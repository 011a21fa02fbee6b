import { type ErrorCode, ParticleError } from '../errors.ts'
import { withoutQuery } from './address.ts'
import { type Failure, isFinal } from './transport.ts'

/** The statuses of servers and gateways that are unavailable for a while. */
const AWAY: readonly number[] = [429, 502, 503, 504]
/** Sets after how many tries a gateway that is away is told. */
const AWAY_TRIES = 3
/** Caps `Retry-After`, in milliseconds: the visitors of a page do not wait for longer. */
const LONGEST_WAIT = 300_000

/**
 * Describes an answer that is not the expected one. Only an answer of Particle's own form, `{ error: {
 * code, message } }`, can be final: any other may come from a proxy, a firewall, a captive portal or another
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
  const wait = Math.min(LONGEST_WAIT, Number(after) * 1000 || Date.parse(after) - now || 0)
  if (typeof code === 'string' && typeof message === 'string') {
    const final = status < 500 && isFinal(code)
    const error = new ParticleError(code as ErrorCode, `${asked} answered ${status}: ${message}`)
    return { error, wait, own: true, type: final ? 'denied' : undefined, token }
  }
  const other = json && wanted === 'JSON' ? "Particle's JSON" : wanted
  const detour = redirected ? ` (redirected to ${withoutQuery(url)})` : ''
  const away = AWAY.includes(status)
  return {
    // A gateway that finds no server for a moment, as in a deploy, is no news yet.
    ...(away && !json ? { news: AWAY_TRIES } : {}),
    error: new ParticleError(
      away ? 'UNAVAILABLE' : 'INVALID_MESSAGE',
      `${asked} answered ${status} ${type}${detour}, not ${other}: ${
        status === 404
          ? "is the client's url the one that the browser must use, and is Particle mounted there?"
          : "is another route before Particle's?"
      }`,
    ),
    wait,
  }
}

/** Describes a request that got no answer; `question` asks for the likely cause. */
export function networkFailure(request: string, cause: unknown, question = ''): Failure {
  // Node keeps the reason one level down.
  const reason = Object(cause).cause?.message
  const text = `${withoutQuery(request)} failed: ${cause}${reason ? ` (${reason})` : ''}${question}`
  return { error: new ParticleError('UNAVAILABLE', text, { cause }) }
}
