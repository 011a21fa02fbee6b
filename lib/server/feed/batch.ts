import { Frame } from './frame.ts'
import type { Entry } from './log.ts'
import type { PendingRights } from './pending-rights.ts'

/** Describes a view, as far as a batch uses it. */
export interface Target {
  /** The streams that show the view. */
  readonly viewers?: { readonly size: number }
  /** Whether clients' rights depend on the view's documents; default: no. */
  readonly decides?: boolean
  /** Applies a new entry, and adds the frame for viewers to the batch. */
  take(entry: Entry, batch: Batch): void
  /** Delivers the frame, which ends at the entry, to all receivers of the view. */
  deliver(entry: Entry, frame: Frame): void
}

/**
 * Limits the changes of one event, in estimated bytes: some 10,000 small changes. The event's JSON takes
 * about a third of that, and should not keep a page busy for long. A transaction is never split.
 */
export const MAX_EVENT_BYTES = 8 * 1024 * 1024

/**
 * Gathers the frames of changes that their source reported together, until delivery. The log keeps an entry
 * for each of these changes, so that a client of another node finds its position between any two of them.
 */
export class Batch {
  readonly #frames = new Map<Target, [Frame, ...Frame[]]>()
  #bytes = 0
  /** The last entry that all touched views have applied. */
  #entry: Entry | undefined
  /** The resets that follow the next delivery. */
  readonly #after: (() => void)[] = []
  readonly #onDelivered: ((views: number, streams: number) => void) | undefined
  readonly #rights: PendingRights | undefined

  /**
   * @param onDelivered called after each delivery with the number of its views and their streams
   * @param rights the changes of rights that entries cause
   */
  constructor(onDelivered?: (views: number, streams: number) => void, rights?: PendingRights) {
    this.#onDelivered = onDelivered
    this.#rights = rights
  }

  /**
   * Applies an entry to the views that it touches: first to those that rights depend on. A client whose right
   * ends with the entry gets no later entry, and nothing of this one.
   */
  show(entry: Entry, views: readonly Target[] | ReadonlySet<Target>): void {
    let others = false
    for (const view of views) {
      if (view.decides) view.take(entry, this)
      else others = true
    }
    if (this.#after.length > 0 || (others && this.#rights?.isDue)) this.deliver()
    if (others) this.#rights?.settle()
    if (others) for (const view of views) if (!view.decides) view.take(entry, this)
    this.#bytes += entry.bytes
    this.#entry = entry
    if (this.#bytes >= MAX_EVENT_BYTES || this.#after.length > 0) this.deliver()
  }

  /** Keeps a view's frame of an entry. */
  add(view: Target, frame: Frame): void {
    const frames = this.#frames.get(view)
    if (frames) frames.push(frame)
    else this.#frames.set(view, [frame])
  }

  /**
   * Schedules a reset for a view that can't express an entry as a frame. The reset follows the delivery of
   * all earlier frames.
   */
  after(reset: () => void): void {
    this.#after.push(reset)
  }

  /** Delivers each view's frames as one event. The receivers then have all data up to the last entry. */
  deliver(): void {
    const entry = this.#entry
    if (!entry && this.#after.length === 0) return
    this.#entry = undefined
    this.#bytes = 0
    const shown = [...this.#frames]
    // Deletes the few views one by one: clearing a map allocates another one.
    for (const [view] of shown) this.#frames.delete(view)
    if (entry) for (const [view, frames] of shown) view.deliver(entry, Frame.join(frames))
    if (this.#after.length > 0) for (const reset of this.#after.splice(0)) reset()
    if (!entry) return
    let streams = 0
    for (const [{ viewers }] of shown) streams += viewers?.size ?? 0
    this.#onDelivered?.(shown.length, streams)
  }
}
