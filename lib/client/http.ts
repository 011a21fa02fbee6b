import { originOf, routeOf } from './address.ts'
import { failureOf, networkFailure } from './answer.ts'
import { type EventSourceConstructor, openEventSource } from './event-source.ts'
import { openEventStream } from './event-stream.ts'
import type { Clock, Failure, Sink, Transport } from './transport.ts'

export interface HttpOptions {
  /** Where the server's middleware is, in full. */
  url: string
  /** The page's address; `undefined` where there is no page. */
  base: string | undefined
  fetch: typeof globalThis.fetch
  /** What opens the streams in place of `fetch`. */
  EventSource?: EventSourceConstructor | undefined
  clock: Clock
}

/** The longest token that goes in a header: servers take 8 KB of them all, as a rule. */
const LONGEST_HEADER = 3500
const QUESTION = ". Is the server there, and does its allowOrigin name this page's origin?"
/** For how long a ticket opens a stream, in milliseconds; the server's 15 s less the way. */
const TICKET_TTL = 10_000

/** The default transport: a handshake by `fetch`, then a stream. */
export class HttpTransport implements Transport {
  heartbeat: number | undefined
  readonly #options: HttpOptions
  readonly #foreign: boolean
  #credentials: RequestCredentials = 'include'
  #token: string | undefined
  #expires = 0
  /** What an EventSource shows in its address, good once. */
  #ticket: string | undefined
  /** Whether a stream was opened by this token. */
  #proven = false
  /** Whether something on the way minds the headers, so that the token goes in a body. */
  #inBody = false

  constructor(options: HttpOptions) {
    this.#options = options
    const { url, base } = options
    this.#foreign = base !== undefined && originOf(url) !== originOf(base)
  }

  get expired(): boolean {
    const { clock, EventSource } = this.#options
    return clock.now() >= this.#expires || (EventSource !== undefined && this.#ticket === undefined)
  }

  async handshake(identity: unknown, signal: AbortSignal): Promise<boolean> {
    const { clock, EventSource, url } = this.#options
    const address = routeOf(url, 'handshake')
    const previous = this.#token
    const carrier = EventSource ? undefined : 'header'
    const text = JSON.stringify({ identity: identity ?? null, previous, carrier })
    const response = await this.#post(address, text, signal)
    const body = response.ok ? await response.json().catch(() => {}) : undefined
    const { token, stream, expiresAt, heartbeat, live } = Object(body)
    if (typeof token !== 'string') throw await failureOf(`POST ${address}`, response, 'JSON', clock.now())
    this.#token = token
    this.#proven = false
    this.#expires = Date.parse(expiresAt)
    this.heartbeat = heartbeat
    if (EventSource) {
      this.#ticket = /[?&]token=([^&]+)/.exec(stream)?.[1] ?? token
      this.#expires = Math.min(this.#expires, clock.now() + TICKET_TTL)
    }
    return live === true
  }

  open(position: string, sink: Sink): () => void {
    const { EventSource, fetch, url, clock } = this.#options
    const token = this.#token ?? ''
    if (EventSource) {
      const query = `token=${this.#ticket ?? token}${position && `&lastEventId=${encodeURIComponent(position)}`}`
      this.#ticket = undefined
      const withCredentials = this.#foreign && this.#credentials === 'include'
      return openEventSource(EventSource, routeOf(url, 'stream', query), withCredentials, sink)
    }
    const inBody = this.#inBody || token.length > LONGEST_HEADER
    const request = {
      address: routeOf(url, 'stream'),
      credentials: this.#credentials,
      token,
      position,
      inBody,
    }
    let opened = false
    return openEventStream(
      { ...request, fetch, clock },
      {
        ...sink,
        opened: () => {
          opened = true
          if (token === this.#token) this.#proven = true
          sink.opened()
        },
        lost: (error) => {
          // A token that should do and doesn't: a proxy with a login of its own takes the header for itself, say.
          if (!opened && !this.#proven && (error as Failure).hint) this.#inBody = !inBody
          sink.lost(error)
        },
      },
    )
  }

  renew(token: string, expiresAt: string): void {
    this.#token = token
    this.#expires = Date.parse(expiresAt)
  }

  /** Posts the handshake: with cookies; without, where the server lets pages of any origin in, but not with their cookies. */
  async #post(address: string, body: string, signal: AbortSignal): Promise<Response> {
    const { fetch } = this.#options
    const send = (credentials: RequestCredentials) =>
      fetch(address, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body,
        credentials,
        signal,
      })
    try {
      return await send(this.#credentials)
    } catch (cause) {
      const failure = networkFailure(`POST ${address}`, cause, this.#foreign ? QUESTION : '')
      if (!this.#foreign || this.#credentials === 'omit' || signal.aborted) throw failure
      const bare = await send('omit').catch(() => undefined)
      // An answer without cookies proves little alone: the network may have come back in between.
      const again = bare && (await send('include').catch(() => undefined))
      if (again) return again
      if (!bare) throw this.#token === undefined ? { ...failure, news: 2 } : failure
      this.#credentials = 'omit'
      return bare
    }
  }
}
