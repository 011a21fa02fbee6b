import type { Change } from '../source/source.ts'
import type { Feed } from './feed.ts'

/** One point of the process's order: changes that belong together. */
export interface Entry {
  readonly sequence: number
  /** Undefined for a mark that holds no change. */
  readonly feed: Feed | undefined
  readonly changes: readonly Change[]
  /** The text of the position that a client holds once it has applied this entry. */
  readonly id: string
  readonly bytes: number
  readonly time: number
}

/** How much is kept for clients that come late: by the size of the changes, in bytes, and by their age, in milliseconds. */
export interface Replay {
  bytes: number
  ms: number
}

/** Bytes that a mark is reckoned at. */
const MARK_SIZE = 64

/** The process's one order of changes, the newest part of it kept for replay. Sequences count from 1 without gaps. */
export class Log {
  readonly #replay: Replay
  #entries: (Entry | undefined)[] = []
  #start = 0
  #bytes = 0
  #head = 0
  readonly #pins = new Set<{ sequence: number }>()

  constructor(replay: Replay) {
    this.#replay = replay
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

  append(entry: Omit<Entry, 'sequence' | 'time'>, time: number): Entry {
    const whole: Entry = { ...entry, sequence: ++this.#head, time }
    this.#entries.push(whole)
    this.#bytes += whole.bytes
    this.trim(time)
    return whole
  }

  /** A point of the order of its own, without a change: positions given before it are told from positions given after it. Returns its sequence. */
  mark(time: number): number {
    return this.append({ feed: undefined, changes: [], id: '', bytes: MARK_SIZE }, time).sequence
  }

  /** The entry of a sequence, when it is still kept. */
  at(sequence: number): Entry | undefined {
    return sequence > this.floor ? this.#entries[this.#start + (sequence - this.floor - 1)] : undefined
  }

  /** Keeps all entries after the present head until the returned function is called: a snapshot in the reading needs them. */
  pin(): { sequence: number; release: () => void } {
    const pin = { sequence: this.#head }
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
      if (this.#bytes <= this.#replay.bytes && now - oldest.time <= this.#replay.ms) break
      this.#bytes -= oldest.bytes
      // The array is cut from time to time only; what is over the bounds goes at once.
      this.#entries[this.#start++] = undefined
    }
    if (this.#start > 1024 && this.#start * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#start)
      this.#start = 0
    }
  }

  clear(): void {
    this.#entries = []
    this.#start = 0
    this.#bytes = 0
  }
}
