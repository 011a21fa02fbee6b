import { type ErrorCode, ParticleError } from '../errors.ts'
import { EVENTS } from '../protocol/messages.ts'
import type { Clock, Failure, Sink, Transport } from './transport.ts'

/** What the client needs of an EventSource. */
export interface EventSourceLike {
  addEventListener(type: string, listener: (event: Event) => void): void
  close(): void
}

/** The constructor of an EventSource: the browser's own, or one that is made like it. */
export type EventSourceConstructor = new (
  url: string,
  options?: { withCredentials?: boolean },
) => EventSourceLike

/** Opens an EventSource; `token` is for those that can set headers, `fetch` for those that take one. */
export type OpenStream = (url: string, token: string, fetch: typeof globalThis.fetch) => EventSourceLike

export interface HttpOptions {
  /** Absolute. */
  url: URL
  fetch: typeof globalThis.fetch
  openStream: OpenStream
  /** How the token reaches the stream: in a header that `openStream` sets, in the cookie that the handshake set, or in the URL. */
  carrier: 'header' | 'cookie' | 'url'
  clock: Clock
}

const CODES: Record<number, ErrorCode> = {
  400: 'INVALID_MESSAGE',
  401: 'UNAUTHORIZED',
  403: 'UNAUTHORIZED',
  413: 'BODY_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  429: 'TOO_MANY_HANDSHAKES',
  503: 'UNAVAILABLE',
}

/** The default transport: a handshake by `fetch`, then an EventSource, which is never left to reconnect by itself. */
export class HttpTransport implements Transport {
  heartbeat: number | undefined
  readonly #options: HttpOptions
  #token: string | undefined
  #stream = ''
  #expires = 0

  constructor(options: HttpOptions) {
    this.#options = options
  }

  get expired(): boolean {
    return this.#options.clock.now() >= this.#expires
  }

  async handshake(identity: unknown, signal: AbortSignal): Promise<void> {
    const { clock, fetch, url } = this.#options
    const address = new URL(url)
    address.pathname = `${url.pathname.replace(/\/$/, '')}/handshake`
    const response = await fetch(address.href, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ identity: identity ?? null, previous: this.#token }),
      credentials: 'include',
      signal,
    }).catch((cause) => {
      throw new ParticleError('UNAVAILABLE', `Handshake: ${cause}`, { cause })
    })
    const { status, headers } = response
    const { token, stream, expiresAt, heartbeat, error } = Object(await response.json().catch(() => {}))
    if (typeof token === 'string' && typeof stream === 'string') {
      this.#token = token
      this.#stream = stream
      this.#expires = Date.parse(expiresAt)
      this.heartbeat = heartbeat
      return
    }
    const code = CODES[status]
    const after = headers.get('Retry-After') ?? ''
    const failure: Failure = {
      // A 404 or a 500 may be over soon (a server that is being replaced), but it is not Particle's.
      error: new ParticleError(code ?? 'INVALID_MESSAGE', `Handshake: ${status} ${error?.message ?? ''}`),
      denied: code !== undefined && status !== 429 && status !== 503,
      wait: Number(after) * 1000 || Date.parse(after) - clock.now() || 0,
    }
    throw failure
  }

  open(position: string, sink: Sink): () => void {
    const { carrier, fetch, openStream, url } = this.#options
    const token = this.#token ?? ''
    const address = new URL(this.#stream, url)
    // Not a header: an EventSource knows its last id only while it reconnects by itself.
    if (position) address.searchParams.set('lastEventId', position)
    if (carrier === 'url') address.searchParams.set('token', token)
    const source = openStream(address.href, token, fetch)
    let last = ''
    const receive = (event: Event) => {
      const { type, data, lastEventId } = event as MessageEvent
      // The server's `error` event goes by the same name as a lost connection.
      if (typeof data !== 'string') {
        sink.lost(new ParticleError('UNAVAILABLE', 'The stream ended.'))
        return
      }
      // By the standard, an event without an id carries that of the one before; that would outlive the position it was.
      const id = lastEventId === last ? '' : lastEventId
      last = lastEventId
      sink.event(type, data, id)
    }
    source.addEventListener('open', () => sink.opened())
    for (const name of EVENTS) source.addEventListener(name, receive)
    return () => {
      source.close()
      // Some set their timer for a reconnect right after they told of the loss.
      queueMicrotask(() => source.close())
    }
  }

  renew(token: string, expiresAt: string): void {
    this.#token = token
    // The cookie is still the old one: only an answer to a request can set it.
    if (this.#options.carrier !== 'cookie') this.#expires = Date.parse(expiresAt)
  }
}
