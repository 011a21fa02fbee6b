import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { Order, type SortValues } from '../../policy/order.ts'
import type { ReadOptions } from '../source.ts'
import type { SortBound } from './plan.ts'

interface Item {
  key: string
  document: Document
  values: SortValues
}

/**
 * Keeps the first documents of an order during a scan. A dropped document comes after `limit` others, each of
 * which only an earlier document may replace, so that no document is missing before the last kept one, in any
 * order of arrival and with repetitions.
 */
export class First {
  readonly #order: Order
  readonly #limit: number
  /** The kept documents in order. */
  readonly #items: Item[] = []
  readonly #keys = new Set<string>()

  constructor({ sort, limit }: ReadOptions) {
    this.#order = new Order(sort)
    this.#limit = limit
  }

  put(document: Document): void {
    const key = idKey(document._id ?? null)
    // Keeps the earlier state of a repeated key: its change is reported later, and a removal here could leave
    // a gap.
    if (this.#keys.has(key)) return
    const values = this.#order.valuesOf(document)
    let [low, high] = [0, this.#items.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#order.compare(this.#items[middle]?.values ?? [], values) < 0) low = middle + 1
      else high = middle
    }
    if (low >= this.#limit) return
    this.#items.splice(low, 0, { key, document, values })
    this.#keys.add(key)
    if (this.#items.length > this.#limit) this.#keys.delete(this.#items.pop()?.key ?? '')
  }

  /** The last document that may still enter; `undefined` while any may. */
  get bound(): SortBound | undefined {
    const last = this.#items[this.#limit - 1]
    const [key] = this.#order.keys
    return last && key && { key, value: last.values[0] }
  }

  get documents(): Document[] {
    return this.#items.map(({ document }) => document)
  }
}
