import { ParticleError } from '../../errors.ts'
import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { SortLimit, SortValues } from '../../policy/order.ts'
import type { ReadOptions } from '../../source/source.ts'
import { timeSlicer } from '../support/scheduling.ts'
import { SortedWindow, spareFor } from './sorted-window.ts'

/** Limits the attempts. Each attempt reads twice as many documents. */
const MAX_ATTEMPTS = 12
/** The number of extra documents that are kept before the last ones are dropped. */
const SLACK = 1_000

/** Collects the first documents of an order from a source, which may return all of its documents. */
export class TopK {
  /** The options of the source's read. */
  readonly options: ReadOptions
  readonly #sortLimit: SortLimit
  #found = new Map<string, { document: Document; values: SortValues }>()
  #dropped = false
  readonly #turn = timeSlicer()

  /**
   * @param attempt the number of earlier attempts: each attempt reads more
   * @throws ParticleError `SOURCE_FAILED` after too many attempts
   */
  constructor(sortLimit: SortLimit, attempt: number) {
    if (attempt > MAX_ATTEMPTS)
      throw new ParticleError(
        'SOURCE_FAILED',
        'The source changes faster than its first documents can be read',
      )
    this.#sortLimit = sortLimit
    this.options = { sort: sortLimit.order.keys, limit: spareFor(sortLimit.limit) * 2 ** attempt }
  }

  async put(documents: readonly Document[]): Promise<void> {
    for (const document of documents) {
      const values = this.#sortLimit.order.valuesOf(document)
      // Replaces a document that the source returns twice. The later one is newer.
      this.#found.set(idKey(document._id ?? null), { document, values })
      if (this.#found.size >= this.options.limit * 2 + SLACK) this.#drop()
      await this.#turn()
    }
  }

  /** Returns a window of the collected documents. */
  window(): SortedWindow {
    const { limit } = this.options
    // Assumes that the source has more documents when it returned as many as the limit.
    const complete = !this.#dropped && this.#found.size < limit
    if (this.#found.size > limit) this.#drop()
    return new SortedWindow(
      this.#sortLimit,
      [...this.#found.values()].map(({ document }) => document),
      complete,
    )
  }

  #drop(): void {
    const sorted = [...this.#found].sort(([, a], [, b]) => this.#sortLimit.order.compare(a.values, b.values))
    this.#found = new Map(sorted.slice(0, this.options.limit))
    this.#dropped = true
  }
}
