import type { Change } from '../source.ts'

/** The last changes of an adapter, by their sequence numbers, which have no gaps. */
export class History {
  readonly #limit: number
  readonly #changes: Change[] = []
  #last = 0

  /** `limit`: how many changes are kept. */
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
    // Cutting only at twice the limit makes the cost of a change constant.
    if (this.#changes.length > this.#limit * 2) {
      this.#changes.splice(0, this.#changes.length - this.#limit)
    }
  }

  /** Whether everything after the change with this number is kept. */
  reaches(sequence: number): boolean {
    return sequence <= this.#last && this.#last - sequence <= this.#limit
  }

  /**
   * The sequence number of the last change that was made before a time (ISO 8601), or of the one before the
   * oldest that is kept.
   */
  before(time: string): number {
    const kept = Math.min(this.#limit, this.#changes.length)
    const later = this.#changes
      .slice(this.#changes.length - kept)
      .filter(({ timestamp }) => timestamp >= time)
    return this.#last - later.length
  }

  /** The changes after the one with this number; call it only where {@link reaches} says so. */
  since(sequence: number): Change[] {
    const count = this.#last - sequence
    return count === 0 ? [] : this.#changes.slice(-count)
  }
}
