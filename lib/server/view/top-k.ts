import { ParticleError } from '../../errors.ts'
import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { SortLimit, SortValues } from '../../policy/order.ts'
import type { ReadOptions } from '../../source/source.ts'
import { timeSlicer } from '../support/scheduling.ts'
import { SortedWindow, spareFor } from './sorted-window.ts'

/** How often more is read, twice as much each time. */
const MAX_ATTEMPTS = 12
/** So many documents more than are wanted are kept before the last ones go. */
const SLACK = 1_000

/** Gathers the first documents of an order out of what a source gives, which may be all that it has. */
export class TopK {
  /** What is asked of the source. */
  readonly options: ReadOptions
  readonly #sortLimit: SortLimit
  #found = new Map<string, { document: Document; values: SortValues }>()
  #dropped = false
  readonly #turn = timeSlicer()

  /**
   * @param attempt how often it was tried before: more is asked for each time
   * @throws ParticleError `SOURCE_FAILED` where it was tried too often
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
      // A source may give a document twice that is written to meanwhile: the later one is the newer.
      this.#found.set(idKey(document._id ?? null), { document, values })
      if (this.#found.size >= this.options.limit * 2 + SLACK) this.#drop()
      await this.#turn()
    }
  }

  /** What was gathered. */
  window(): SortedWindow {
    const { limit } = this.options
    // A source that was asked for so many and gave so many may have more.
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
