import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { field } from '../../model/json.ts'
import type { SortLimit, SortValues } from '../../policy/order.ts'
import { estimateBytes } from '../feed/change.ts'

/** Describes a known document of a window. */
export interface Item {
  readonly key: string
  readonly values: SortValues
  /** The whole document; without a limit, only the fields of the order. */
  readonly document: Document
}

/** One step of a change: a document enters, leaves or moves. Send the steps in their order. */
export type Step =
  | { kind: 'leave'; item: Item }
  | { kind: 'enter'; item: Item; at: number }
  | { kind: 'stay'; item: Item; at: number; moved: boolean }

/**
 * Returns how many documents to know for a limit. The extra documents replace those that leave, without a
 * read of the source.
 */
export function spareFor(limit: number): number {
  return limit * 2 + 10
}

/**
 * Keeps the first documents of an ordered view: the visible ones, and some that follow. The window knows all
 * documents up to a bound, and none after it.
 */
export class SortedWindow {
  readonly sortLimit: SortLimit
  /** The known documents. The array is never changed in place, so that callers may keep it. */
  #items: readonly Item[]
  readonly #byKey = new Map<string, Item>()
  /** The last known place. All documents up to it are known; undefined when all documents are known. */
  #bound: Item | undefined
  /** Called for each document that becomes known or unknown. */
  onKnown: ((key: string, known: boolean) => void) | undefined

  /**
   * @param documents the first documents, in any order
   * @param complete whether these are all documents; otherwise all up to the last of them are known
   */
  constructor(sortLimit: SortLimit, documents: Iterable<Document>, complete: boolean) {
    this.sortLimit = sortLimit
    const items = [...documents].map((document) => this.#itemOf(document))
    items.sort((a, b) => this.#compare(a, b))
    this.#items = items
    for (const item of items) this.#byKey.set(item.key, item)
    this.#bound = complete ? undefined : items.at(-1)
  }

  /** Returns an independent window with the same documents. */
  copy(): SortedWindow {
    const copy = new SortedWindow(this.sortLimit, [], true)
    copy.#items = this.#items
    copy.#bound = this.#bound
    for (const [key, item] of this.#byKey) copy.#byKey.set(key, item)
    return copy
  }

  /** Whether the window holds whole documents. */
  get whole(): boolean {
    return this.sortLimit.limit !== Number.POSITIVE_INFINITY
  }

  /** The visible documents, in order. */
  get visible(): readonly Item[] {
    return this.whole ? this.#items.slice(0, this.sortLimit.limit) : this.#items
  }

  /** Whether too few documents are known to fill the limit, and more may exist. */
  get short(): boolean {
    return this.#bound !== undefined && this.#items.length < this.sortLimit.limit
  }

  /** The keys of all known documents. */
  get keys(): Iterable<string> {
    return this.#byKey.keys()
  }

  get size(): number {
    return this.#items.length
  }

  /** The estimated memory of the documents, in bytes. */
  get weight(): number {
    return this.#items.reduce(
      (sum, { document, values }) => sum + estimateBytes(document) + estimateBytes(values),
      0,
    )
  }

  get(key: string): Item | undefined {
    return this.#byKey.get(key)
  }

  /** Adds or updates a document of the view. Returns the visible steps. */
  put(document: Document): Step[] {
    const item = this.#itemOf(document)
    const before = this.#items
    const from = this.#placeOf(item.key)
    const rest = from < 0 ? before : before.toSpliced(from, 1)
    if (this.#bound && this.#compare(item, this.#bound) > 0) {
      this.#note(item.key, undefined)
      this.#items = rest
      return this.#removed(before[from], from)
    }
    const to = this.#search(rest, item)
    this.#note(item.key, item)
    this.#items = rest.toSpliced(to, 0, item)
    const { limit } = this.sortLimit
    const was = from >= 0 && from < limit
    if (to >= limit) {
      this.#trim()
      return this.#removed(before[from], from)
    }
    if (was) return [{ kind: 'stay', item, at: to, moved: from !== to }]
    const last = before[limit - 1]
    this.#trim()
    return [...(last ? [{ kind: 'leave', item: last } as const] : []), { kind: 'enter', item, at: to }]
  }

  /** Removes a document that left the view. Returns the visible steps. */
  remove(key: string): Step[] {
    const at = this.#placeOf(key)
    if (at < 0) return []
    const item = this.#items[at]
    this.#note(key, undefined)
    this.#items = this.#items.toSpliced(at, 1)
    return this.#removed(item, at)
  }

  /** Returns the steps after a document left a place, if that place was visible. */
  #removed(item: Item | undefined, from: number): Step[] {
    const { limit } = this.sortLimit
    if (!item || from >= limit) return []
    const next = this.#items[limit - 1]
    return [{ kind: 'leave', item }, ...(next ? [{ kind: 'enter', item: next, at: limit - 1 } as const] : [])]
  }

  #itemOf(document: Document): Item {
    const values = this.sortLimit.order.valuesOf(document)
    return {
      key: idKey(document._id ?? null),
      values,
      document: this.whole ? document : this.#part(document),
    }
  }

  #part(document: Document): Document {
    const part: Document = { _id: document._id ?? null }
    for (const name of this.sortLimit.order.fields) {
      const value = field(document, name)
      if (value !== undefined) part[name] = value
    }
    return part
  }

  #placeOf(key: string): number {
    const item = this.#byKey.get(key)
    return item ? this.#search(this.#items, item) : -1
  }

  #note(key: string, item: Item | undefined): void {
    const known = this.#byKey.has(key)
    if (item) this.#byKey.set(key, item)
    else this.#byKey.delete(key)
    if (known !== (item !== undefined)) this.onKnown?.(key, !known)
  }

  /** Compares two documents, by their ids last, so that no two are equal. */
  #compare(a: Item, b: Item): number {
    return this.sortLimit.order.compare(a.values, b.values) || (a.key < b.key ? -1 : Number(a.key > b.key))
  }

  /** Returns the first place whose document doesn't precede the wanted one. */
  #search(items: readonly Item[], wanted: Item): number {
    let low = 0
    for (let high = items.length; low < high; ) {
      const middle = (low + high) >> 1
      const item = items[middle]
      if (item && this.#compare(item, wanted) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Forgets documents far behind the visible ones. */
  #trim(): void {
    const most = spareFor(this.sortLimit.limit)
    if (this.#items.length <= most * 2) return
    for (const { key } of this.#items.slice(most)) this.#note(key, undefined)
    this.#items = this.#items.slice(0, most)
    this.#bound = this.#items.at(-1)
  }
}
