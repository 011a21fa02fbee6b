import { isoTime } from '../../model/iso-time.ts'
import { invalidOption } from '../../model/unknown.ts'
import type { Change, ChangeListener, Subscription } from '../source.ts'
import { History } from './history.ts'
import { random } from './identifier.ts'

/**
 * Represents a change whose position and timestamp are empty until the feed fills them in. Node gives each
 * copy of an object with further fields a hidden class of its own (500 bytes, 1 µs), so that no copy is made.
 */
export type Unplaced = Change

interface Follower {
  listener: ChangeListener
  /** The number of the last change reported to this listener. */
  told: number
}

/** Keeps the one order of an adapter's changes, and its listeners. */
export class Feed {
  readonly #epoch = random(5)
  readonly #history: History
  readonly #followers = new Set<Follower>()
  /** The changes that are not reported yet, with the number of the last change of each report. */
  readonly #waiting: { changes: readonly Change[]; last: number }[] = []
  #delivering = false
  /** The changes of the transaction that is under way. */
  #gathered: Unplaced[] | undefined

  constructor(history: number) {
    this.#history = new History(history)
  }

  /** The position of the last change. */
  get position(): string {
    return this.#format(this.#history.last)
  }

  /** Returns the position of a number of milliseconds ago, or the oldest kept position. */
  past(milliseconds: number): string {
    return this.#format(this.#history.before(new Date(Date.now() - milliseconds).toISOString()))
  }

  compare(a: string, b: string): number {
    return this.#parse(a) - this.#parse(b)
  }

  /** Adds all changes that `work` adds as one transaction, at its end. */
  transact<T>(work: () => T): T {
    if (this.#gathered) return work()
    const gathered: Unplaced[] = []
    this.#gathered = gathered
    try {
      return work()
    } finally {
      this.#gathered = undefined
      const transaction = String(this.#history.last + 1)
      for (const change of gathered) change.transaction = transaction
      this.add(gathered)
    }
  }

  /** Gives changes their positions and reports them to all listeners. */
  add(unplaced: readonly Unplaced[]): void {
    if (unplaced.length === 0) return
    if (this.#gathered) {
      for (const change of unplaced) this.#gathered.push(change)
      return
    }
    const timestamp = isoTime(Date.now())
    for (const change of unplaced) {
      change.position = this.#format(this.#history.last + 1)
      change.timestamp = timestamp
      this.#history.add(change)
    }
    // Copies the list, which the log keeps: one that was filled step by step takes 128 bytes more.
    const changes = unplaced.slice()
    this.#waiting.push({ changes, last: this.#history.last })
    this.#deliver()
  }

  follow(listener: ChangeListener, from?: string): Subscription {
    const start = from === undefined ? Number.NaN : this.#parse(from)
    const honoured = this.#history.reaches(start)
    const follower: Follower = { listener, told: honoured ? start : this.#history.last }
    const position = this.#format(follower.told)
    this.#followers.add(follower)
    if (honoured) this.#tell(follower, this.#history.since(start), this.#history.last)
    return {
      position,
      head: this.position,
      close: async () => {
        this.#followers.delete(follower)
      },
    }
  }

  // Delivers in order: a listener that writes must not make the other listeners see its write before the
  // change that caused it.
  #deliver(): void {
    if (this.#delivering) return
    this.#delivering = true
    try {
      for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
        for (const follower of [...this.#followers]) this.#tell(follower, next.changes, next.last)
      }
    } finally {
      this.#delivering = false
    }
  }

  /** @param last the number of the last of the changes */
  #tell(follower: Follower, changes: readonly Change[], last: number): void {
    if (!this.#followers.has(follower)) return
    const count = last - follower.told
    const news = count < changes.length ? changes.slice(changes.length - Math.max(0, count)) : changes
    const position = news.at(-1)?.position
    if (position === undefined) return
    follower.told = last
    try {
      follower.listener.changes(news, position)
    } catch (error) {
      // Throws the error later, because the write is done and the other listeners must get the report.
      queueMicrotask(() => {
        throw error
      })
    }
  }

  #format(sequence: number): string {
    return `${this.#epoch}-${sequence}`
  }

  #parse(position: string): number {
    const [epoch, digits = '', ...rest] = typeof position === 'string' ? position.split('-') : []
    const known = epoch === this.#epoch && rest.length === 0 && /^(0|[1-9]\d{0,14})$/.test(digits)
    return known ? Number(digits) : Number.NaN
  }
}

/** Checks the `history` option. Throws `INVALID_OPTION`. */
export function checkHistory(history: unknown): number {
  if (typeof history === 'number' && Number.isInteger(history) && history >= 0) return history
  throw invalidOption("memory()'s option 'history' must be a whole number of changes, from 0.")
}
