import type { Change } from '../source.ts'

/** Keeps the last changes of an adapter, by sequence numbers without gaps. */
export class History {
  readonly #limit: number
  readonly #changes: Change[] = []
  #last = 0

  /** @param limit the number of kept changes */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** The sequence number of the last change; 0 before the first. */
  get last(): number {
    return this.#last
  }

  add(change: Change): void {
    this.#last++
    this.#changes.push(change)
    // Cuts only at twice the limit, so that the average cost of a change is constant.
    if (this.#changes.length > this.#limit * 2) {
      this.#changes.splice(0, this.#changes.length - this.#limit)
    }
  }

  /** Checks that all changes after this number are kept. */
  reaches(sequence: number): boolean {
    return sequence <= this.#last && this.#last - sequence <= this.#limit
  }

  /**
   * Returns the number of the last change before a time (ISO 8601), or the number before the oldest kept
   * change.
   */
  before(time: string): number {
    const kept = Math.min(this.#limit, this.#changes.length)
    const later = this.#changes
      .slice(this.#changes.length - kept)
      .filter(({ timestamp }) => timestamp >= time)
    return this.#last - later.length
  }

  /** Returns the changes after this number. Call this method only if {@link reaches} is true. */
  since(sequence: number): Change[] {
    const count = this.#last - sequence
    return count === 0 ? [] : this.#changes.slice(-count)
  }
}
