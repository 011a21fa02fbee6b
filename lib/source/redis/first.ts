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
 * The first documents of an order, of those that a scan comes across. What is left out comes after as many
 * others, of which each may only give its place to one that comes before it: so nothing is ever missing
 * before the last of them, in whatever order and how often documents come.
 */
export class First {
  readonly #order: Order
  readonly #limit: number
  /** In order. */
  readonly #items: Item[] = []
  readonly #keys = new Set<string>()

  constructor({ sort, limit }: ReadOptions) {
    this.#order = new Order(sort)
    this.#limit = limit
  }

  put(document: Document): void {
    const key = idKey(document._id ?? null)
    // A key that comes again may hold something else by then, which a change tells. To let go of what is here
    // could leave a gap.
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

  /** What may still come in; undefined for everything. */
  get bound(): SortBound | undefined {
    const last = this.#items[this.#limit - 1]
    const [key] = this.#order.keys
    return last && key && { key, value: last.values[0] }
  }

  get documents(): Document[] {
    return this.#items.map(({ document }) => document)
  }
}
