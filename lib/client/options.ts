import { ParticleError } from '../errors.ts'
import type { ServerEvent } from '../protocol/messages.ts'
import type { EventSourceConstructor } from './event-source.ts'
import type { Register } from './register.ts'
import type { Status } from './state.ts'

/** What a client can be told. All of it is optional. */
export interface ClientOptions<T = Record<string, unknown[]>> {
  /**
   * Where the server's middleware is. Default: `/particle` on the page's own origin; outside of a browser it must be
   * absolute (`https://example.com/particle`).
   */
  url?: string | URL
  /** Who the user is: any JSON for the server's `identityLookup`, or a function that gives it (or a promise of it), called at every handshake. */
  identity?: unknown
  /** Called once for each event that changed the model, after the change; never while a root is half there. */
  onData?: (data: T, event: ServerEvent) => void
  /** Called when the status has changed. */
  onStatus?: (status: Status) => void
  /** Called with what is good to know when something does not work. */
  onDebug?: (message: string) => void
  /**
   * Called with what went wrong on the way; the client goes on by itself where that can help. Default: only what a callback
   * threw is printed, by `console.error`.
   */
  onError?: (error: ParticleError) => void
  /** An own way to the server, or a mock of one, in place of `url`: `(identity, receiver, done) => server.register(identity, receiver, done)`. */
  onRegister?: Register
  /**
   * An EventSource to open the streams with: the platform's own, or a polyfill where `fetch` can't stream (React Native). Default: none, streams
   * are read by `fetch`. It can't set headers: each of its streams is preceded by a handshake, and its address has a ticket that is good once.
   */
  EventSource?: EventSourceConstructor
  /** A `fetch` to use for handshakes and streams instead of the platform's. Its answers must have a `body` that can be read as it comes. */
  fetch?: typeof globalThis.fetch
}

const NAMES: readonly string[] = [
  'url',
  'identity',
  'onData',
  'onStatus',
  'onDebug',
  'onError',
  'onRegister',
  'EventSource',
  'fetch',
]

/** @throws ParticleError `INVALID_OPTION` with a sentence that says what was meant */
export function checkOptions(options: ClientOptions): void {
  for (const [name, value] of Object.entries(options)) {
    const index = NAMES.indexOf(name)
    if (index < 0) invalid(`There is no option ${name}, only ${NAMES.join(', ')}.`)
    // All but the first two are functions.
    if (index > 1 && value !== undefined && typeof value !== 'function') {
      invalid(`The option ${name} must be a function.`)
    }
  }
  const { onRegister, url, EventSource, fetch } = options
  if (onRegister && (url ?? EventSource ?? fetch)) {
    invalid('onRegister replaces url, EventSource and fetch: give one or the other.')
  }
}

/** @throws ParticleError `INVALID_OPTION`, always */
export function invalid(message: string): never {
  throw new ParticleError('INVALID_OPTION', message)
}
