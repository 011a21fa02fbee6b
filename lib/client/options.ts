import { ParticleError } from '../errors.ts'
import type { Model } from '../model/document.ts'
import { describeGiven } from '../model/given.ts'
import { nearest } from '../model/nearest.ts'
import type { PartialModelOf } from '../model/shape.ts'
import type { ServerEvent } from '../protocol/messages.ts'
import type { EventSourceConstructor } from './event-source.ts'
import { NOTIFY, type Notify } from './notifier.ts'
import type { Register } from './register.ts'
import type { Status } from './state.ts'

/**
 * What a client can be told. All of it is optional. `T` is the shape of the model, or the type of the
 * server's options.
 */
export interface ClientOptions<T = Model> {
  /**
   * Where the server's middleware is. Default: `/particle` on the page's own origin; outside of a browser
   * it must be absolute (`https://example.com/particle`).
   */
  url?: string | URL
  /**
   * Who the user is: any JSON for the server's `identityLookup`, or a function that gives it (or a promise of
   * it), called at every handshake.
   */
  identity?: unknown
  /**
   * Called after changes of the model, as often as `notify` says; never while a root is half there. `data`
   * is the model as it is now, without the roots whose documents are not there yet; `event` the last event
   * that changed it, `events` all since the last call.
   */
  onData?: (data: PartialModelOf<T>, event: ServerEvent, events: readonly ServerEvent[]) => void
  /**
   * How often `onData` and the listeners of `on` and `subscribe` are called: once for each `event`; once
   * for each `batch` of events that arrived together; or, in a visible page, at most once a `frame` of the
   * screen, and elsewhere once for each batch. The model itself is always current, and listeners are called
   * of what is left before the client gets ready and before `close()` ends. Default: `'frame'`.
   */
  notify?: Notify
  /** Called when the status has changed. */
  onStatus?: (status: Status) => void
  /** Called with what is good to know when something does not work. */
  onDebug?: (message: string) => void
  /**
   * Called with what went wrong on the way; the client goes on by itself where that can help. Default: only
   * mistakes of the page (a callback that threw, a pattern that nothing can touch) are printed, by
   * `console.error`.
   */
  onError?: (error: ParticleError) => void
  /**
   * An own way to the server, or a mock of one, in place of `url`: `(identity, receiver, done) =>
   * server.register(identity, receiver, done)`.
   */
  onRegister?: Register
  /**
   * Opens the streams: the platform's own EventSource, or a polyfill where `fetch` can't stream (React
   * Native). Default: none, streams are read by `fetch`. An EventSource can't set headers, so a handshake
   * precedes each of its streams, and the address holds a ticket that is good once.
   */
  EventSource?: EventSourceConstructor
  /**
   * Replaces the platform's `fetch` for handshakes and streams. The `body` of its answers must be readable
   * as it arrives, unless `EventSource` is given.
   */
  fetch?: typeof globalThis.fetch
}

/** The options that are functions. */
const FUNCTIONS: readonly string[] = [
  'onData',
  'onStatus',
  'onDebug',
  'onError',
  'onRegister',
  'EventSource',
  'fetch',
]

const NAMES: readonly string[] = ['url', 'identity', 'notify', ...FUNCTIONS]

/** @throws ParticleError `INVALID_OPTION` with a sentence that says what was meant */
export function checkOptions(options: ClientOptions<never>): void {
  if (typeof options !== 'object' || options === null)
    invalid(`A client takes an object of options, such as { url: '/particle' }: ${describeGiven(options)}.`)
  for (const [name, value] of Object.entries(options)) {
    if (!NAMES.includes(name)) {
      const meant = nearest(name, NAMES)
      invalid(
        `The option "${name}" is not known; ${meant ? `"${meant}" was probably meant` : `known are ${NAMES.join(', ')}`}.`,
      )
    }
    if (FUNCTIONS.includes(name) && value !== undefined && typeof value !== 'function') {
      invalid(`The option ${name} must be a function.`)
    }
  }
  const { onRegister, url, EventSource, fetch, notify } = options
  if (notify !== undefined && !NOTIFY.includes(notify)) {
    invalid(`The option notify must be one of ${NOTIFY.map((name) => `"${name}"`).join(', ')}.`)
  }
  if (onRegister && (url ?? EventSource ?? fetch)) {
    invalid('onRegister replaces url, EventSource and fetch: give one or the other.')
  }
}

/** @throws ParticleError `INVALID_OPTION`, always */
export function invalid(message: string): never {
  throw new ParticleError('INVALID_OPTION', message)
}
