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

  /** The changes after the one with this number; call it only where {@link reaches} says so. */
  since(sequence: number): Change[] {
    const count = this.#last - sequence
    return count === 0 ? [] : this.#changes.slice(-count)
  }
}
