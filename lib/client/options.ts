import type { ParticleError } from '../errors.ts'
import type { Model } from '../model/document.ts'
import { isObject } from '../model/json.ts'
import type { PartialModelOf } from '../model/shape.ts'
import { refuseOption } from '../model/unknown.ts'
import type { InitialModel } from '../protocol/initial.ts'
import type { ServerEvent } from '../protocol/messages.ts'
import type { EventSourceConstructor } from './event-source.ts'
import { NOTIFY, type Notify } from './notifier.ts'
import type { Persist } from './persistence.ts'
import type { Register } from './register.ts'
import type { Share } from './sharing.ts'
import type { Status } from './state.ts'

/**
 * Configures a client. Every option is optional. `T` is the shape of the model, or the type of the server's
 * options.
 */
export interface ClientOptions<T = Model> {
  /**
   * The address of the server's middleware. Default: `/particle` on the page's own origin. Outside of a
   * browser the address must be absolute (`https://example.com/particle`).
   */
  url?: string | URL
  /**
   * The user's identity: any JSON for the server's `identityLookup`, or a function that returns that JSON or
   * a promise of it. The function is called at every handshake.
   */
  identity?: unknown
  /**
   * Called after changes of the model, as often as `notify` says, and never with a half loaded root. `data`
   * is the current model, without roots whose documents have not arrived. `event` is the last event that
   * changed the model, `events` are all events since the last call. For the model of `initial` or `persist`
   * these are a `payload` of each root, once, after the constructor has returned.
   */
  onData?: (data: PartialModelOf<T>, event: ServerEvent, events: readonly ServerEvent[]) => void
  /**
   * Sets how often `onData` and the listeners of `on` and `subscribe` are called. `event` calls them for each
   * event, `batch` once for all events that arrived together. `frame` calls them at most once per frame of a
   * visible page, and once per batch elsewhere. The model itself is always current. Pending calls are made
   * before the client gets ready and before `close()` returns. Default: `'frame'`.
   */
  notify?: Notify
  /**
   * How long the documents of a watched root are kept after its last watch was closed, in milliseconds. At
   * most 20 such roots are kept. Default: 5000.
   */
  linger?: number
  /**
   * Shares one stream among the tabs of the origin that have the same server address and the same identity.
   * One tab has the stream and passes it on, and another one takes its place when it is closed, frozen or
   * crashed. Where the browser has no Web Locks (they need HTTPS or localhost), each tab has a stream of its
   * own, and `onDebug` says so. Give the function `share` of `particle/client/share`. Not with `onRegister`,
   * which has no server's address. Default: none.
   */
  share?: Share
  /**
   * The model to begin with, as `server.snapshot()` returned it. The client shows this model at once, and
   * continues from its position. Default: none.
   */
  initial?: InitialModel
  /**
   * Keeps the model, its position and its watched roots in the browser for the next visit:
   * `indexedDB('app')` of `particle/client/persist`. Default: none, nothing is kept.
   */
  persist?: Persist
  /** Called when the status has changed. */
  onStatus?: (status: Status) => void
  /** Called with messages that help to find a fault. */
  onDebug?: (message: string) => void
  /**
   * Called with every error. The client retries by itself where a retry can help. Default: `console.error`
   * for mistakes of the page only (a callback that threw, a pattern that nothing can touch).
   */
  onError?: (error: ParticleError) => void
  /**
   * Replaces `url`, `EventSource`, `fetch` and `share` by an own transport or a mock: `(identity, receiver,
   * done) => server.register(identity, receiver, done)`.
   */
  onRegister?: Register
  /**
   * Opens the streams by the platform's own EventSource, or by a polyfill where `fetch` can't stream (React
   * Native). An EventSource can't set headers, so a handshake precedes each stream, and the address holds a
   * ticket for a single use. Default: none, streams are read by `fetch`.
   */
  EventSource?: EventSourceConstructor
  /**
   * Replaces the platform's `fetch` for handshakes and streams. The `body` of its responses must be readable
   * as it arrives, unless `EventSource` is given.
   */
  fetch?: typeof globalThis.fetch
}

/** Checks an option's value, and says what it must be. */
type Check = readonly [fits: (value: unknown) => boolean, need: string]

const ANYTHING: Check = [() => true, '']
const FUNCTION: Check = [(value) => typeof value === 'function', 'a function']

/** Checks the options that are given, by their names. */
const CHECKS: Record<keyof ClientOptions, Check> = {
  url: ANYTHING,
  identity: ANYTHING,
  notify: [
    (value) => NOTIFY.includes(value as Notify),
    `one of ${NOTIFY.map((name) => JSON.stringify(name)).join(', ')}`,
  ],
  linger: [
    (value) => typeof value === 'number' && value >= 0,
    'a number of milliseconds that is not negative',
  ],
  initial: [(value) => Object(value).data, 'what server.snapshot() returned'],
  onData: FUNCTION,
  onStatus: FUNCTION,
  onDebug: FUNCTION,
  onError: FUNCTION,
  onRegister: FUNCTION,
  persist: FUNCTION,
  share: FUNCTION,
  EventSource: FUNCTION,
  fetch: FUNCTION,
}

export const DEFAULT_LINGER_MS = 5000

/**
 * Checks the names and types of a client's options.
 *
 * @throws ParticleError `INVALID_OPTION` that names the option and what it takes
 */
export function checkOptions(options: ClientOptions<never>): void {
  if (!isObject(options)) refuseOption("A client takes an object of options, such as { url: '/particle' }.")
  const checks = new Map<string, Check>(Object.entries(CHECKS))
  for (const [name, value] of Object.entries(options)) {
    const [fits, need] =
      checks.get(name) ??
      refuseOption(`The option "${name}" is not known; known are ${[...checks.keys()].join(', ')}.`)
    if (value !== undefined && !fits(value)) refuseOption(`The option ${name} must be ${need}.`)
  }
  const { onRegister, url, EventSource, fetch, share } = options
  if (onRegister && (url ?? EventSource ?? fetch ?? share))
    refuseOption('onRegister replaces url, EventSource, fetch and share: give one or the other.')
}
