import { ParticleError } from '../../errors.ts'
import type { Document } from '../../model/document.ts'
import { isRefusedName } from '../../model/path.ts'
import { Order, type SortKey } from '../../policy/order.ts'
import { projector } from './projection.ts'
import { copy } from './value.ts'

/** Options of `find` and `findOne`. The cursor has a method of the same name for each option. */
export interface FindOptions {
  /**
   * The order: `{ field: 1 }` or `{ field: -1 }`, or a list of such pairs as the driver takes them. Default:
   * the order of insertion.
   */
  sort?: Sort
  /** How many documents to leave out at the start. Default: 0. */
  skip?: number
  /** How many documents at most; 0 is no limit. Default: 0. */
  limit?: number
  /** The fields to return (`{ name: 1 }`) or to leave out (`{ secret: 0 }`). Default: the whole documents. */
  projection?: Record<string, unknown>
}

/** Describes an order of documents. */
export type Sort =
  | string
  | Record<string, SortDirection>
  | [string, SortDirection][]
  | Map<string, SortDirection>

type SortDirection = 1 | -1 | 'asc' | 'desc' | 'ascending' | 'descending'

/**
 * Iterates over the documents of a `find`. Reads the documents at the first use, not before. Each document is
 * a copy that belongs to the caller.
 */
export class MemoryCursor<T = Document> implements AsyncIterable<T> {
  readonly #read: () => Document[]
  readonly #options: FindOptions
  #rest: T[] | undefined

  constructor(read: () => Document[], options: FindOptions = {}) {
    this.#read = read
    this.#options = { ...options }
  }

  /** Orders the documents; `sort('name', -1)` is short for `sort({ name: -1 })`. */
  sort(sort: Sort, direction: SortDirection = 1): this {
    this.#options.sort = typeof sort === 'string' ? { [sort]: direction } : sort
    return this
  }

  /** Leaves out the first `count` documents. */
  skip(count: number): this {
    this.#options.skip = count
    return this
  }

  /** Gives at most `count` documents; 0 is no limit. */
  limit(count: number): this {
    this.#options.limit = count
    return this
  }

  /** Gives only these fields, or all but these. */
  project(projection: Record<string, unknown>): this {
    this.#options.projection = projection
    return this
  }

  /** Returns all remaining documents. */
  async toArray(): Promise<T[]> {
    const documents = this.#remaining()
    this.#rest = []
    return documents
  }

  /** Returns the next document, or `null` after the last one. */
  async next(): Promise<T | null> {
    return this.#remaining().shift() ?? null
  }

  /** Checks for a next document. */
  async hasNext(): Promise<boolean> {
    return this.#remaining().length > 0
  }

  /** Calls `each` with one document after the other. */
  async forEach(each: (document: T) => void): Promise<void> {
    for await (const document of this) each(document)
  }

  /** Lets the rest of the documents go. */
  async close(): Promise<void> {
    this.#rest = []
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (let next = await this.next(); next !== null; next = await this.next()) yield next
  }

  #remaining(): T[] {
    this.#rest ??= this.#run() as T[]
    return this.#rest
  }

  #run(): Document[] {
    const { sort, projection } = this.#options
    const skip = count('skip', this.#options.skip)
    const limit = Math.abs(count('limit', this.#options.limit))
    const end = limit === 0 ? undefined : skip + limit
    const keys = sort === undefined ? [] : sortKeys(sort)
    const isWhole = projection === undefined || Object.keys(projection).length === 0
    const shown = isWhole ? (document: Document) => document : projector(projection)
    const documents = this.#read()
    return (keys.length > 0 ? sorted(documents, new Order(keys)) : documents)
      .slice(skip, end)
      .map((document) => copy(shown(document)))
  }
}

/** Sorts documents as a sorted view does. The `_id` decides between equal documents. */
export function sorted(documents: readonly Document[], order: Order): Document[] {
  return documents
    .map((document) => ({ document, values: order.valuesOf(document) }))
    .sort((a, b) => order.compare(a.values, b.values))
    .map(({ document }) => document)
}

function count(name: string, value = 0): number {
  if (!Number.isInteger(value) || (name === 'skip' && value < 0)) {
    throw new ParticleError('INVALID_QUERY', `The ${name} of a query must be a whole number, not ${value}.`)
  }
  return value
}

/** Reads an order in any of the driver's forms. @throws ParticleError `INVALID_QUERY` */
export function sortKeys(sort: Sort): SortKey[] {
  const entries = typeof sort === 'string' ? [[sort, 1] as const] : pairs(sort)
  return entries.map(([field, direction]): SortKey => {
    if (
      String(field)
        .split('.')
        .some((name) => name === '' || name.startsWith('$') || isRefusedName(name))
    )
      throw new ParticleError(
        'INVALID_QUERY',
        `The sort order has '${field}', which is not the path of a field.`,
      )
    if (direction === 1 || direction === 'asc' || direction === 'ascending') return [field, 1]
    if (direction === -1 || direction === 'desc' || direction === 'descending') return [field, -1]
    throw new ParticleError('INVALID_QUERY', `The sort order of '${field}' must be 1 or -1.`)
  })
}

function pairs(sort: Exclude<Sort, string>): (readonly [string, SortDirection])[] {
  if (Array.isArray(sort)) return sort
  return sort instanceof Map ? [...sort] : Object.entries(sort)
}
