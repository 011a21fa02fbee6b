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

const PATIENCE = 30_000

const CODES: Record<number, ErrorCode> = {
  400: 'INVALID_MESSAGE',
  401: 'UNAUTHORIZED',
  403: 'UNAUTHORIZED',
  413: 'BODY_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  429: 'TOO_MANY_HANDSHAKES',
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

  async handshake(identity: unknown, signal: AbortSignal): Promise<Failure | undefined> {
    const { clock, fetch, url } = this.#options
    const address = new URL(url)
    address.pathname = `${url.pathname.replace(/\/$/, '')}/handshake`
    const controller = new AbortController()
    const abort = () => controller.abort()
    const cancel = clock.after(PATIENCE, abort)
    signal.addEventListener('abort', abort)
    try {
      const response = await fetch(address.href, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
        body: JSON.stringify({ identity: identity ?? null, previous: this.#token }),
        credentials: 'include',
        cache: 'no-store',
        signal: controller.signal,
      })
      const body = await response.json().catch(() => undefined)
      return response.ok ? this.#accept(body) : this.#refusal(response, body?.error?.message)
    } catch (cause) {
      const error = new ParticleError('UNAVAILABLE', `No answer from ${address.href}: ${cause}`, { cause })
      return { error, denied: false, report: false }
    } finally {
      cancel()
      signal.removeEventListener('abort', abort)
    }
  }

  #accept(body: unknown): Failure | undefined {
    const { token, stream, expiresAt, heartbeat } = Object(body) as Record<string, unknown>
    const expires = Date.parse(String(expiresAt))
    if (typeof token !== 'string' || typeof stream !== 'string' || Number.isNaN(expires)) {
      const error = new ParticleError(
        'INVALID_MESSAGE',
        `${this.#options.url.href} does not answer as Particle's handshake does.`,
      )
      return { error, denied: false, report: true }
    }
    this.#token = token
    this.#stream = stream
    this.#expires = expires
    this.heartbeat = Number(heartbeat) || undefined
    return undefined
  }

  #refusal(response: Response, message: unknown): Failure {
    const { status } = response
    const code = CODES[status]
    const after = response.headers.get('Retry-After') ?? ''
    return {
      error: new ParticleError(
        code ?? 'UNAVAILABLE',
        `The handshake was answered with ${status}${typeof message === 'string' ? `: ${message}` : ''}`,
      ),
      denied: code !== undefined && status !== 429,
      // A 404 or a 500 may be over soon (a server that is being replaced), but someone should know.
      report: status !== 401 && status !== 403 && status !== 429 && status !== 503,
      wait: Number(after) * 1000 || Date.parse(after) - this.#options.clock.now() || 0,
    }
  }

  open(position: string, sink: Sink): () => void {
    const { carrier, fetch, openStream, url } = this.#options
    const token = this.#token ?? ''
    const address = new URL(this.#stream, url)
    // Not a header: an EventSource knows its last id only while it reconnects by itself.
    if (position) address.searchParams.set('lastEventId', position)
    if (carrier === 'url') address.searchParams.set('token', token)
    const source = openStream(address.href, token, fetch)
    let live = true
    let last = ''
    const close = () => {
      live = false
      source.close()
      // Some set their timer for a reconnect right after they told of the loss.
      queueMicrotask(() => source.close())
    }
    const listen = (name: string, listener: (event: Event) => void) =>
      source.addEventListener(name, (event) => {
        if (live) listener(event)
      })
    const receive = (event: Event) => {
      const { type, data, lastEventId } = event as MessageEvent
      // By the standard, an event without an id carries that of the one before; that would outlive the position it was.
      const id = lastEventId === last ? '' : lastEventId
      last = lastEventId
      sink.event(type, data, id)
    }
    listen('open', () => sink.opened())
    for (const name of EVENTS) if (name !== 'error') listen(name, receive)
    listen('error', (event) => {
      // The server's `error` event goes by the same name as a lost connection.
      if (typeof (event as MessageEvent).data === 'string') receive(event)
      else {
        close()
        sink.lost()
      }
    })
    return close
  }

  renew(token: string, expiresAt: string): void {
    this.#token = token
    // The cookie is still the old one: only an answer to a request can set it.
    if (this.#options.carrier !== 'cookie') this.#expires = Date.parse(expiresAt)
  }
}
