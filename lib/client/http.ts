import { ParticleError } from '../errors.ts'
import { originOf, routeOf } from './address.ts'
import { failureOf, networkFailure } from './answer.ts'
import { type EventSourceConstructor, openEventSource } from './event-source.ts'
import { openEventStream } from './event-stream.ts'
import {
  type Clock,
  type Failure,
  type SessionAnswer,
  type Sink,
  type StreamStart,
  startFields,
  type Transport,
} from './transport.ts'

export interface HttpOptions {
  /** The complete address of the server's middleware. */
  url: string
  /** The page's address; `undefined` where there is no page. */
  base: string | undefined
  fetch: typeof globalThis.fetch
  /** Opens the streams in place of `fetch`. */
  EventSource?: EventSourceConstructor | undefined
  clock: Clock
}

/**
 * Limits a token in a header and the watched roots in an address, in bytes together. Servers commonly accept
 * 8 KB of headers in all.
 */
const MAX_HEADER_BYTES = 3500
/**
 * Limits each list of watched roots in the address of an EventSource, in characters. The other roots are
 * asked for later.
 */
const MAX_WATCHED_LENGTH = 3000
const QUESTION = ". Is the server there, and does its allowOrigin name this page's origin?"
const WITHOUT_COOKIES =
  '. The browser sent no cookies: name the origin of this page in allowOrigin, and in cors() with credentials'
/**
 * Limits the age of a ticket, in milliseconds. The server accepts a ticket for 15 s; the rest is for latency.
 */
const TICKET_TTL_MS = 10_000

/**
 * Makes handshakes by `fetch`, and opens streams by `fetch` or an EventSource. A client uses this transport
 * by default.
 */
export class HttpTransport implements Transport {
  heartbeat: number | undefined
  readonly maxWatched: number | undefined
  readonly address: string
  token: string | undefined
  expires = 0
  identity: string | undefined
  fork: boolean | undefined
  readonly #options: HttpOptions
  readonly #foreign: boolean
  #credentials: RequestCredentials = 'include'
  /** The ticket for the address of the next EventSource. A ticket opens one stream. */
  #ticket: string | undefined
  /** Whether this token has opened a stream. */
  #proven = false
  /** Whether the token goes in a body. Some proxies reject a foreign `Authorization` header. */
  #inBody = false

  constructor(options: HttpOptions) {
    this.#options = options
    const { url, base, EventSource } = options
    this.address = url
    this.maxWatched = EventSource && MAX_WATCHED_LENGTH
    // Uses the page's real origin where there is one, since the origin of a sandboxed frame differs from its
    // address.
    this.#foreign = base !== undefined && originOf(url) !== (globalThis.origin ?? originOf(base))
  }

  get expired(): boolean {
    const { clock, EventSource } = this.#options
    return clock.now() >= this.expires || (EventSource !== undefined && this.#ticket === undefined)
  }

  async handshake(identity: unknown, signal: AbortSignal): Promise<boolean> {
    const { EventSource, clock } = this.#options
    const { token: previous, fork } = this
    const carrier = EventSource ? undefined : 'header'
    const body = { identity: identity ?? null, previous, carrier, fork }
    const answer = await this.#post('handshake', body, signal, 'token', 'string')
    const token = String(answer.token)
    this.token = token
    this.identity = answer.identity as string | undefined
    this.fork = undefined
    this.#proven = false
    this.expires = Date.parse(String(answer.expiresAt))
    this.heartbeat = answer.heartbeat as number | undefined
    if (EventSource) {
      this.#ticket = /[?&]token=([^&]+)/.exec(String(answer.stream))?.[1] ?? token
      this.expires = Math.min(this.expires, clock.now() + TICKET_TTL_MS)
    }
    return answer.live === true
  }

  open(start: StreamStart, sink: Sink): () => void {
    const { EventSource, fetch, url, clock } = this.#options
    const { position } = start
    const token = this.token ?? ''
    const watched = startQuery(start)
    if (EventSource) {
      const after = position && `&lastEventId=${encodeURIComponent(position)}`
      const query = `token=${this.#ticket ?? token}${after}${watched && `&${watched}`}`
      this.#ticket = undefined
      const withCredentials = this.#foreign && this.#credentials === 'include'
      return openEventSource(EventSource, routeOf(url, 'stream', query), withCredentials, sink)
    }
    const inBody = this.#inBody || token.length + watched.length > MAX_HEADER_BYTES
    const address = routeOf(url, 'stream', inBody ? '' : watched)
    const init: RequestInit = {
      ...(inBody
        ? jsonOf({ token, lastEventId: position || undefined, ...startFields(start) })
        : headersOf(token, position)),
      credentials: this.#credentials,
      cache: 'no-store',
    }
    let opened = false
    return openEventStream(
      { address, init, fetch, clock },
      {
        ...sink,
        opened: () => {
          opened = true
          if (token === this.token) this.#proven = true
          sink.opened()
        },
        lost: (error) => {
          // Sends the token the other way next time. A proxy with its own login takes the header for its own.
          if (!opened && !this.#proven && (error as Failure).hint) this.#inBody = !inBody
          this.#replace(token, error as Failure)
          sink.lost(error)
        },
      },
    )
  }

  async post(route: string, body: object, signal: AbortSignal): Promise<SessionAnswer> {
    const { token } = this
    try {
      const answer = await this.#post(route, { ...body, token }, signal, 'live', 'boolean')
      return answer as unknown as SessionAnswer
    } catch (cause) {
      const failed = cause as Failure
      this.#replace(token, failed)
      // Refuses the request alone: only a handshake can refuse the client.
      throw { ...failed, type: failed.isUnauthorized ? 'unauthorized' : undefined }
    }
  }

  /** Replaces a refused token by the one that the answer names, unless there is a newer one. */
  #replace(refused: string | undefined, { token }: Failure): void {
    if (token && refused === this.token) this.token = token
  }

  renew(token: string, expiresAt: string): void {
    this.token = token
    this.expires = Date.parse(expiresAt)
  }

  /**
   * Posts a body with cookies. Falls back to a request without cookies for a server that accepts any
   * origin.
   *
   * @returns the answer, which has a field of the type
   */
  async #post(
    route: string,
    body: object,
    signal: AbortSignal,
    field: string,
    type: string,
  ): Promise<Record<string, unknown>> {
    const { fetch, url, clock } = this.#options
    const address = routeOf(url, route)
    const asked = `POST ${address}`
    const send = (credentials: RequestCredentials) => fetch(address, { ...jsonOf(body), credentials, signal })
    const sendAgain = async (cause: unknown) => {
      const failure = networkFailure(asked, cause, this.#foreign ? QUESTION : '')
      if (!this.#foreign || this.#credentials === 'omit' || signal.aborted) throw failure
      const bare = await send('omit').catch(() => undefined)
      // Tries once more with cookies, because the network may have come back between the two requests.
      const again = bare && (await send('include').catch(() => undefined))
      if (again) return again
      if (!bare) throw this.token === undefined ? { ...failure, reportAfter: 2 } : failure
      this.#credentials = 'omit'
      return bare
    }
    const response = await send(this.#credentials).catch(sendAgain)
    const answer = Object(response.ok && (await response.json().catch(() => {})))
    if (typeof answer[field] === type) return answer
    const failed = await failureOf(asked, response, 'JSON', clock.now())
    if (route !== 'handshake' || failed.type !== 'denied' || this.#credentials !== 'omit') throw failed
    // Adds a hint to a refusal that may be due to blocked cookies. The status alone does not show that cause.
    const { code, message } = failed.error
    throw { ...failed, error: new ParticleError(code, message + WITHOUT_COOKIES), reportAfter: 1 }
  }
}

/** Sends JSON. */
function jsonOf(body: object): RequestInit {
  const headers = { 'Content-Type': 'application/json' }
  return { method: 'POST', headers, body: JSON.stringify(body) }
}

/** Sends the token and the position in headers. */
function headersOf(token: string, position: string): RequestInit {
  const headers: Record<string, string> = { Authorization: `Bearer ${token}` }
  if (position) headers['Last-Event-ID'] = position
  return { headers }
}

/** Writes the fields of a request for a stream into a query. */
function startQuery(start: StreamStart): string {
  const { reached = [], ...watched } = startFields(start)
  return [
    ...Object.entries(watched).map(([name, list]) => `${name}=${encodeURIComponent(JSON.stringify(list))}`),
    ...reached.map((position) => `reached=${position}`),
  ].join('&')
}
