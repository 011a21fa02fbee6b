import { type ErrorCode, ParticleError } from '../errors.ts'
import { withoutQuery } from './address.ts'
import { type Failure, isFinal } from './transport.ts'

/** The statuses of gateways and servers that are away for a while. */
const AWAY: readonly number[] = [429, 502, 503, 504]
/** The longest time that a server is believed to want, in milliseconds: a page's visitors won't wait for longer. */
const LONGEST_WAIT = 300_000

/**
 * What is wrong with an answer that is not the wanted one. Only an answer of Particle's own form, `{ error: { code, message } }`, can be
 * final: all others may be of a proxy, a firewall, a captive portal or another route.
 *
 * @param request the method and the address, as `POST http://localhost/particle/handshake`
 * @param wanted what was wanted, as `JSON`
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
  // What is not JSON may have no end.
  const json = /json/.test(type)
  const body = json ? await response.json().catch(() => {}) : response.body?.cancel().catch(() => {})
  const { code, message } = Object(Object(body).error)
  const after = headers.get('Retry-After') ?? ''
  const wait = Math.min(LONGEST_WAIT, Number(after) * 1000 || Date.parse(after) - now || 0)
  if (typeof code === 'string' && typeof message === 'string') {
    const final = status < 500 && isFinal(code)
    const error = new ParticleError(code as ErrorCode, `${asked} answered ${status}: ${message}`)
    return { error, wait, own: true, type: final ? 'denied' : undefined }
  }
  const other = json && wanted === 'JSON' ? "Particle's JSON" : wanted
  const detour = redirected ? ` (redirected to ${withoutQuery(url)})` : ''
  return {
    error: new ParticleError(
      AWAY.includes(status) ? 'UNAVAILABLE' : 'INVALID_MESSAGE',
      `${asked} answered ${status} ${type}${detour}, not ${other}: is another route before Particle's?`,
    ),
    wait,
  }
}

/** The failure of a request that got no answer; `question` asks for what is likely to be wrong. */
export function networkFailure(request: string, cause: unknown, question = ''): Failure {
  // Node has the reason one level down.
  const reason = Object(cause).cause?.message
  const text = `${withoutQuery(request)} failed: ${cause}${reason ? ` (${reason})` : ''}${question}`
  return { error: new ParticleError('UNAVAILABLE', text, { cause }) }
}
