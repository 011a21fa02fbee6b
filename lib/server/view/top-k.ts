import { ParticleError } from '../../errors.ts'
import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { Cut, SortValues } from '../../policy/order.ts'
import type { ReadOptions } from '../../source/source.ts'
import { slicer } from '../support/scheduling.ts'
import { spareFor, Window } from './sorted-window.ts'

/** How often more is read, twice as much each time. */
const MOST_ATTEMPTS = 12
/** So many documents more than are wanted are kept before the last ones go. */
const SLACK = 1_000

/** Gathers the first documents of an order out of what a source gives, which may be all that it has. */
export class Top {
  /** What is asked of the source. */
  readonly options: ReadOptions
  readonly #cut: Cut
  #found = new Map<string, { document: Document; values: SortValues }>()
  #dropped = false
  readonly #turn = slicer()

  /**
   * @param attempt how often it was tried before: more is asked for each time
   * @throws ParticleError `SOURCE_FAILED` where it was tried too often
   */
  constructor(cut: Cut, attempt: number) {
    if (attempt > MOST_ATTEMPTS)
      throw new ParticleError(
        'SOURCE_FAILED',
        'The source changes faster than its first documents can be read',
      )
    this.#cut = cut
    this.options = { sort: cut.order.keys, limit: spareFor(cut.limit) * 2 ** attempt }
  }

  async put(documents: readonly Document[]): Promise<void> {
    for (const document of documents) {
      const values = this.#cut.order.valuesOf(document)
      // A source may give a document twice that is written to meanwhile: the later one is the newer.
      this.#found.set(idKey(document._id ?? null), { document, values })
      if (this.#found.size >= this.options.limit * 2 + SLACK) this.#drop()
      await this.#turn()
    }
  }

  /** What was gathered. */
  window(): Window {
    const { limit } = this.options
    // A source that was asked for so many and gave so many may have more.
    const complete = !this.#dropped && this.#found.size < limit
    if (this.#found.size > limit) this.#drop()
    return new Window(
      this.#cut,
      [...this.#found.values()].map(({ document }) => document),
      complete,
    )
  }

  #drop(): void {
    const sorted = [...this.#found].sort(([, a], [, b]) => this.#cut.order.compare(a.values, b.values))
    this.#found = new Map(sorted.slice(0, this.options.limit))
    this.#dropped = true
  }
}
