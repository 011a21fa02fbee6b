import type { Change } from '../../source/source.ts'
import type { Replay } from '../options/options.ts'
import type { FrameResult } from './frame.ts'

/** The feed that an entry comes from, as far as the log searches positions of its adapter. */
export interface Origin {
  readonly adapter: { compare(a: string, b: string): number }
  /** The sequence before which nothing of the feed can be replayed. */
  readonly floor: number
  /** Where the adapter was at that sequence. */
  readonly floorPosition: string | undefined
}

/** One point of the process's order: changes of one feed that belong together. */
export interface Entry {
  readonly sequence: number
  readonly feed: Origin
  readonly changes: readonly Change[]
  /**
   * Where the first was of the source's changes that these come of; left out where it is the first of these.
   */
  readonly begin?: string | undefined
  /** The text of the point that a client holds once it has applied this entry. */
  readonly point: string
  /** The position of every adapter at this point, in the order of the server's sources. */
  readonly adapters: readonly string[]
  readonly time: number
  /** How each view that the entry touches shows it. */
  readonly frames: Map<object, FrameResult>
  /** What it takes, in bytes, with its frames. */
  bytes: number
}

/** Where the first of an entry's changes was in its source; undefined of one without changes. */
export function beginOf({ begin, changes }: Entry): string | undefined {
  return begin ?? changes[0]?.position
}

/**
 * The process's one order of changes, the newest part of it kept for replay. Sequences count from 1 without
 * gaps.
 */
export class Log {
  readonly replay: Replay
  #entries: (Entry | undefined)[] = []
  #start = 0
  #bytes = 0
  #head = 0
  /** Where the adapters were at the newest entry that is no longer kept. */
  #floorAdapters: readonly string[] = []
  readonly #pins = new Set<{ sequence: number }>()

  constructor(replay: Replay) {
    this.replay = replay
  }

  /** The sequence of the newest entry; 0 before the first. */
  get head(): number {
    return this.#head
  }

  /** The highest sequence that is no longer kept: entries after it can be replayed. */
  get floor(): number {
    return this.#head - (this.#entries.length - this.#start)
  }

  get bytes(): number {
    return this.#bytes
  }

  append(entry: Omit<Entry, 'sequence' | 'time' | 'frames'>, time: number): Entry {
    const whole: Entry = { ...entry, sequence: ++this.#head, time, frames: new Map() }
    this.#entries.push(whole)
    this.#bytes += whole.bytes
    this.trim(time)
    return whole
  }

  /** The entry of a sequence, when it is still kept. */
  at(sequence: number): Entry | undefined {
    return sequence > this.floor ? this.#entries[this.#start + (sequence - this.floor - 1)] : undefined
  }

  /**
   * The entries of a feed after a sequence, in order, up to the head as it is now; those that are no longer
   * kept are left out.
   */
  *after(sequence: number, feed: Origin): Generator<Entry> {
    const { head } = this
    for (let at = sequence + 1; at <= head; at++) {
      const entry = this.at(at)
      if (entry?.feed === feed) yield entry
    }
  }

  /**
   * The newest sequence at which the adapter number `index` had come no further than a position of its own,
   * searched from `floor` on, where it was at `floorPosition`. Undefined where that is not kept, or lies
   * within an entry.
   */
  find(feed: Origin, index: number, position: string): number | undefined {
    const { adapter } = feed
    const floor = Math.max(this.floor, feed.floor)
    const oldest = feed.floor >= this.floor ? feed.floorPosition : this.#floorAdapters[index]
    if (oldest === undefined || !(adapter.compare(oldest, position) <= 0)) return undefined
    let low = floor
    let high = this.#head
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      const there = this.at(middle)?.adapters[index] ?? ''
      if (adapter.compare(there, position) <= 0) low = middle
      else high = middle - 1
    }
    // Changes that are shown at once have no place between them: who holds some of them would be told those
    // again.
    const [next] = this.after(low, feed)
    const begin = next && beginOf(next)
    return begin !== undefined && adapter.compare(begin, position) <= 0 ? undefined : low
  }

  /** Reckons further bytes to an entry: a frame was made of it. */
  charge(entry: Entry, bytes: number): void {
    entry.bytes += bytes
    if (entry.sequence > this.floor) this.#bytes += bytes
  }

  /**
   * Keeps all entries after a sequence, by default the present head, until the returned function is called: a
   * snapshot in the reading needs them. What is not kept any more stays gone.
   */
  pin(sequence = this.#head): { sequence: number; release: () => void } {
    const pin = { sequence }
    this.#pins.add(pin)
    return { sequence: pin.sequence, release: () => void this.#pins.delete(pin) }
  }

  /** Lets go what is over the bounds. */
  trim(now: number): void {
    let keep = Number.POSITIVE_INFINITY
    for (const pin of this.#pins) keep = Math.min(keep, pin.sequence)
    while (this.#start < this.#entries.length) {
      const oldest = this.#entries[this.#start]
      if (!oldest || oldest.sequence > keep) break
      if (this.#bytes <= this.replay.bytes && now - oldest.time <= this.replay.ms) break
      this.#bytes -= oldest.bytes
      this.#floorAdapters = oldest.adapters
      // The array is cut from time to time only; what is over the bounds goes at once.
      this.#entries[this.#start++] = undefined
    }
    if (this.#start > 1024 && this.#start * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#start)
      this.#start = 0
    }
  }

  clear(): void {
    this.#floorAdapters = this.#entries.at(-1)?.adapters ?? this.#floorAdapters
    this.#entries = []
    this.#start = 0
    this.#bytes = 0
  }
}
