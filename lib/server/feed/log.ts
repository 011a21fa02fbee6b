import type { Change, ReportedChange } from '../../source/source.ts'
import type { Replay } from '../options/options.ts'
import { decoded } from './change.ts'
import type { FrameResult } from './frame.ts'
import { coalesceTransaction } from './transaction.ts'

/** Describes the feed of an entry, as far as the log searches the adapter's positions. */
export interface Origin {
  readonly adapter: { compare(a: string, b: string): number }
  /** The sequence up to which the feed's changes can't be replayed. */
  readonly floor: number
  /** The adapter's position at `floor`. */
  readonly floorPosition: string | undefined
}

/** Describes the content of a new entry. */
export interface EntryContent {
  readonly feed: Origin
  readonly changes: readonly ReportedChange[]
  /** The position of the first source change behind `changes`; left out when it is the first of `changes`. */
  readonly begin?: string | undefined
  /** Formats the text of a point. */
  readonly point: (sequence: number, adapters: readonly string[]) => string
  /** The position of every adapter at this point, in the order of the server's sources. */
  readonly adapters: readonly string[]
  /** The estimated bytes of the entry without frames. */
  readonly bytes: number
}

/**
 * Represents one point of the process's order: changes of one feed that belong together. The log holds tens
 * of thousands of entries, and their objects are most of what the garbage collector copies: an entry keeps
 * the result of its first view without a map (184 bytes), and formats its point only on demand (180 bytes).
 */
export class Entry {
  readonly sequence: number
  readonly time: number
  readonly feed: Origin
  readonly begin: string | undefined
  readonly adapters: readonly string[]
  /** The estimated bytes of the entry with its frames. */
  bytes: number
  readonly #log: Log
  #changes: readonly ReportedChange[]
  readonly #point: EntryContent['point']
  #view: object | undefined
  #result: FrameResult | null | undefined
  /** The results of all views but the first. */
  #others: Map<object, FrameResult | null> | undefined

  constructor(log: Log, sequence: number, time: number, content: EntryContent) {
    this.#log = log
    this.sequence = sequence
    this.time = time
    this.feed = content.feed
    this.#changes = content.changes
    this.begin = content.begin
    this.adapters = content.adapters
    this.bytes = content.bytes
    this.#point = content.point
  }

  /** The changes. Decodes them, once for all views, if nobody was shown them when they came. */
  get changes(): readonly Change[] {
    const changes = decoded(this.#changes)
    if (changes === this.#changes) return changes
    const coalesced = coalesceTransaction(changes)
    this.#changes = coalesced
    return coalesced
  }

  /** Returns the changes of a collection. Leaves those of other collections encoded. */
  changesOf(collection: string): readonly Change[] {
    const count = this.countOf(collection)
    if (count === 0) return []
    const isAll = count === this.#changes.length
    return isAll ? this.changes : this.changes.filter((change) => change.collection === collection)
  }

  /** Counts the changes of a collection without decoding them. */
  countOf(collection: string): number {
    let count = 0
    for (const change of this.#changes) if (change.collection === collection) count++
    return count
  }

  /** The text of the client's point after this entry. */
  get point(): string {
    return this.#point(this.sequence, this.adapters)
  }

  /** Returns a view's result; null where clients hold the entry already, undefined before it was kept. */
  resultOf(view: object): FrameResult | null | undefined {
    return this.#view === view ? this.#result : this.#others?.get(view)
  }

  /** Keeps the result of a view that the entry touches. */
  keep(view: object, result: FrameResult | null): void {
    if (this.#view === undefined || this.#view === view) {
      this.#view = view
      this.#result = result
    } else {
      this.#others ??= new Map()
      this.#others.set(view, result)
    }
  }

  /** Adds the bytes of a frame. */
  account(bytes: number): void {
    this.#log.account(this, bytes)
  }
}

/** Returns the source position of an entry's first change, or undefined for an entry without changes. */
export function beginOf(entry: Pick<Entry, 'begin' | 'changes'>): string | undefined {
  return entry.begin ?? entry.changes[0]?.position
}

/**
 * Holds the newest part of the process's order of changes, for replay. Sequences count from 1 without gaps.
 */
export class Log {
  readonly replay: Replay
  #entries: (Entry | undefined)[] = []
  #start = 0
  #bytes = 0
  #head = 0
  /** The adapters' positions at the newest removed entry. */
  #floorAdapters: readonly string[] = []
  readonly #pins = new Set<{ sequence: number }>()

  constructor(replay: Replay) {
    this.replay = replay
  }

  /** Returns the sequence of the newest entry; 0 before the first. */
  get head(): number {
    return this.#head
  }

  /** Returns the highest removed sequence. Entries after it can be replayed. */
  get floor(): number {
    return this.#head - (this.#entries.length - this.#start)
  }

  get bytes(): number {
    return this.#bytes
  }

  append(content: EntryContent, time: number): Entry {
    const entry = new Entry(this, ++this.#head, time, content)
    this.#entries.push(entry)
    this.#bytes += entry.bytes
    this.trim(time)
    return entry
  }

  /** Returns the entry of a sequence, if the log still has it. */
  at(sequence: number): Entry | undefined {
    return sequence > this.floor ? this.#entries[this.#start + (sequence - this.floor - 1)] : undefined
  }

  /**
   * Yields the entries of a feed after a sequence, in order, up to the present head. Removed entries are
   * skipped.
   */
  *after(sequence: number, feed: Origin): Generator<Entry> {
    const { head } = this
    for (let at = sequence + 1; at <= head; at++) {
      const entry = this.at(at)
      if (entry?.feed === feed) yield entry
    }
  }

  /**
   * Finds the newest sequence at which the adapter number `index` was not past a position. The search starts
   * at `floor`, where the adapter was at `floorPosition`. Returns undefined for a position that was removed
   * or lies within an entry.
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
    // Refuses a position within an entry, since a client there would get a part of the entry twice.
    const [next] = this.after(low, feed)
    const begin = next && beginOf(next)
    return begin !== undefined && adapter.compare(begin, position) <= 0 ? undefined : low
  }

  /** Adds the bytes of a new frame to an entry. */
  account(entry: Entry, bytes: number): void {
    entry.bytes += bytes
    if (entry.sequence > this.floor) this.#bytes += bytes
  }

  /**
   * Keeps all entries after a sequence (default: the present head) until `release` is called. A snapshot
   * needs them during its read. Removed entries stay removed.
   */
  pin(sequence = this.#head): { sequence: number; release: () => void } {
    const pin = { sequence }
    this.#pins.add(pin)
    return { sequence: pin.sequence, release: () => void this.#pins.delete(pin) }
  }

  /** Removes entries over the limits. */
  trim(now: number): void {
    let keep = Number.POSITIVE_INFINITY
    for (const pin of this.#pins) keep = Math.min(keep, pin.sequence)
    while (this.#start < this.#entries.length) {
      const oldest = this.#entries[this.#start]
      if (!oldest || oldest.sequence > keep) break
      if (this.#bytes <= this.replay.bytes && now - oldest.time <= this.replay.ms) break
      this.#bytes -= oldest.bytes
      this.#floorAdapters = oldest.adapters
      // Frees the entry at once. The array itself is cut only from time to time.
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
