import type { ServerEvent } from '../protocol/messages.ts'
import type { Clock } from './transport.ts'

/**
 * Sets how often listeners are called.
 *
 * - `frame`: once per frame of a visible page, elsewhere once per batch.
 * - `batch`: once for all events that arrived together.
 * - `event`: once for each event, at the moment the event is applied.
 */
export type Notify = 'frame' | 'batch' | 'event'

/** Lists the values of {@link Notify}. */
export const NOTIFY: readonly Notify[] = ['frame', 'batch', 'event']

export const DEFAULT_NOTIFY: Notify = 'frame'

/**
 * Calls back before the next frame is painted. Returns a function that cancels the call, or `undefined`
 * without a visible page.
 */
export type RequestFrame = (callback: () => void) => (() => void) | undefined

/** Receives the last event and all events since the last call, in order. */
export type Target = (last: ServerEvent, events: readonly ServerEvent[]) => void

/** Configures a notifier. */
export interface NotifierOptions {
  notify: Notify
  clock: Clock
  requestFrame: RequestFrame
}

/**
 * Limits the wait for a frame, in milliseconds. A page that gets hidden meanwhile, or an iframe scrolled out
 * of sight, counts as visible but paints no frame.
 */
const FRAME_TIMEOUT_MS = 1000

/** Requests the page's next frame. */
export const requestFrame: RequestFrame = (callback) => {
  const { document, requestAnimationFrame, cancelAnimationFrame } = globalThis
  // Skips hidden pages, which paint no frame until they are shown again.
  if (document?.visibilityState !== 'visible' || !requestAnimationFrame) return undefined
  const handle = requestAnimationFrame(() => callback())
  return () => cancelAnimationFrame(handle)
}

/**
 * Gathers events and calls each listener once for all events that arrived together. All events of one network
 * chunk are applied in one task, so a microtask runs after the last of them.
 */
export class Notifier {
  readonly #options: NotifierOptions
  /** The pending events of each target. */
  #due = new Map<Target, ServerEvent[]>()
  /** The calls of the current flush. */
  readonly #calls: [Target, ServerEvent[]][] = []
  /** Cancels the scheduled flush. */
  #cancel: (() => void) | undefined

  constructor(options: NotifierOptions) {
    this.#options = options
  }

  /** Keeps an event for a target, and schedules the call. */
  add(target: Target, event: ServerEvent): void {
    if (this.#options.notify === 'event') {
      this.#calls.push([target, [event]])
      this.flush()
      return
    }
    const due = this.#due.get(target)
    if (due) due.push(event)
    else this.#due.set(target, [event])
    this.#cancel ??= this.#schedule()
  }

  /**
   * Calls all targets with pending events. A target may flush too: that inner flush makes all remaining calls
   * before it returns. A target must not throw.
   */
  flush(): void {
    this.#cancel?.()
    this.#cancel = undefined
    for (const due of this.#due) this.#calls.push(due)
    if (this.#due.size > 0) this.#due.clear()
    for (let call = this.#calls.shift(); call; call = this.#calls.shift()) {
      const [target, events] = call
      target(events.at(-1) as ServerEvent, events)
    }
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
