import type { ServerEvent } from '../protocol/messages.ts'
import type { Clock } from './transport.ts'

/**
 * How often listeners are called.
 *
 * - `frame`: once for all that arrived together, and in a visible page at most once a frame of the screen.
 * - `batch`: once for all that arrived together.
 * - `event`: once for each event, in the moment in which it is applied.
 */
export type Notify = 'frame' | 'batch' | 'event'

/** The values of {@link Notify}. */
export const NOTIFY: readonly Notify[] = ['frame', 'batch', 'event']

export const DEFAULT_NOTIFY: Notify = 'frame'

/**
 * Calls back before the next frame is painted. Returns what cancels the call, or `undefined` where no frame
 * is to be expected: the page is hidden, or there is none.
 */
export type RequestFrame = (callback: () => void) => (() => void) | undefined

/** Takes the events that its listener has not been told of yet, in order, and the last of them. */
export type Target = (last: ServerEvent, events: readonly ServerEvent[]) => void

/** What a notifier is made of. */
export interface NotifierOptions {
  notify: Notify
  clock: Clock
  requestFrame: RequestFrame
}

/**
 * For how long a frame is waited for, in milliseconds. A page that gets hidden meanwhile, or a frame that is
 * scrolled out of sight, counts as visible and yet has none.
 */
const FRAME_TIMEOUT_MS = 1000

/** Asks the page for its next frame. */
export const requestFrame: RequestFrame = (callback) => {
  const { document, requestAnimationFrame, cancelAnimationFrame } = globalThis
  // A hidden page is not painted, and would not call back before it is shown again.
  if (document?.visibilityState !== 'visible' || !requestAnimationFrame) return undefined
  const handle = requestAnimationFrame(() => callback())
  return () => cancelAnimationFrame(handle)
}

/**
 * Gathers events for listeners and calls each listener once for all that arrived together. Events of one
 * network chunk are applied in one go, so that a microtask comes after the last of them.
 */
export class Notifier {
  readonly #options: NotifierOptions
  /** The events that each target has not been told of. */
  #due = new Map<Target, { last: ServerEvent; events: ServerEvent[] }>()
  /** Calls that are being made. */
  readonly #calls: (() => void)[] = []
  /** Cancels the flush that is scheduled. */
  #cancel: (() => void) | undefined

  constructor(options: NotifierOptions) {
    this.#options = options
  }

  /** Keeps an event for a target and schedules the call. */
  add(target: Target, event: ServerEvent): void {
    const events = this.#due.get(target)?.events ?? []
    events.push(event)
    this.#due.set(target, { last: event, events })
    if (this.#options.notify === 'event') this.flush()
    else this.#cancel ??= this.#schedule()
  }

  /**
   * Calls all targets that are due, now. A target may flush in its turn: then those that are left are called
   * before that flush returns. A target must not throw.
   */
  flush(): void {
    this.#cancel?.()
    this.#cancel = undefined
    for (const [target, { last, events }] of this.#due) this.#calls.push(() => target(last, events))
    this.#due = new Map()
    for (let call = this.#calls.shift(); call; call = this.#calls.shift()) call()
  }

  #schedule(): () => void {
    const { notify, clock, requestFrame } = this.#options
    const flush = () => this.flush()
    const cancelFrame = notify === 'frame' ? requestFrame(flush) : undefined
    if (cancelFrame) {
      const cancelTimer = clock.after(FRAME_TIMEOUT_MS, flush)
      return () => {
        cancelFrame()
        cancelTimer()
      }
    }
    let live = true
    queueMicrotask(() => {
      if (live) flush()
    })
    return () => {
      live = false
    }
  }
}
