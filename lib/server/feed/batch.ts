import { Frame } from './frame.ts'
import type { Entry } from './log.ts'

/** A view, as far as a batch asks it to take changes in and to deliver what it shows. */
export interface Target {
  /** Takes a new entry in; what viewers are to see of it goes to the batch. */
  take(entry: Entry, batch: Batch): void
  /** Hands the frame, which leads up to the entry, to all that receive the view. */
  deliver(entry: Entry, frame: Frame): void
}

/**
 * What came together leaves as one event for each root, up to changes of so many bytes, as the log reckons
 * them: some 10,000 small ones. An event's JSON takes about a third of that, and should not keep a page busy
 * for long. What was written at once (a transaction) is never cut.
 */
const MAX_BYTES = 8 * 1024 * 1024

/**
 * Gathers what views show of changes that their source told together, until clients are told of it. The log
 * keeps an entry for each of these changes, so that a client of another node finds its position between any
 * two of them.
 */
export class Batch {
  readonly #frames = new Map<Target, [Frame, ...Frame[]]>()
  #bytes = 0
  /** The last entry that all of its views have taken in. */
  #entry: Entry | undefined
  /** What is to be done once clients are told of what was before. */
  readonly #after: (() => void)[] = []

  /** Has the views that an entry touches take it in. */
  show(entry: Entry, views: Iterable<Target>): void {
    this.#bytes += entry.bytes
    for (const view of views) view.take(entry, this)
    this.#entry = entry
    if (this.#bytes >= MAX_BYTES || this.#after.length > 0) this.deliver()
  }

  /** Keeps what a view shows of an entry. */
  add(view: Target, frame: Frame): void {
    const frames = this.#frames.get(view)
    if (frames) frames.push(frame)
    else this.#frames.set(view, [frame])
  }

  /**
   * Keeps what a view can't show of an entry: its viewers are reset once they have what the views have shown
   * up to there.
   */
  after(reset: () => void): void {
    this.#after.push(reset)
  }

  /**
   * Tells the receivers of each view, as one event, what it has shown: then they hold everything up to the
   * last entry.
   */
  deliver(): void {
    const entry = this.#entry
    if (!entry) return
    this.#entry = undefined
    this.#bytes = 0
    const shown = [...this.#frames]
    this.#frames.clear()
    for (const [view, frames] of shown) view.deliver(entry, Frame.join(frames))
    for (const reset of this.#after.splice(0)) reset()
  }
}
