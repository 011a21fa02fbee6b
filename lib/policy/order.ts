import { ParticleError } from '../errors.ts'
import { compare } from '../model/compare.ts'
import type { Document, Json } from '../model/document.ts'
import { field, isObject } from '../model/json.ts'
import { isRefusedName, positionOf } from '../model/path.ts'
import { isPlain } from './query.ts'

/** Describes one key of an order: a dotted path and its direction (1 ascends). */
export type SortKey = readonly [path: string, direction: 1 | -1]

/**
 * Holds a document's values for the keys of an order. `undefined` stands for an empty array, which MongoDB
 * sorts before null.
 */
export type SortValues = readonly (Json | undefined)[]

/**
 * Orders documents as MongoDB's `sort` does: by types first (a missing value counts as null), an array by its
 * smallest element for an ascending key and by its largest for a descending key. The `_id` is the last key,
 * so that no two documents are equal.
 */
export class Order {
  readonly keys: readonly SortKey[]
  /** The top-level fields that the order depends on, except `_id`, which never changes. */
  readonly fields: ReadonlySet<string>
  readonly #paths: readonly (readonly string[])[]

  constructor(keys: readonly SortKey[]) {
    this.keys = keys.some(([path]) => path === '_id') ? keys : [...keys, ['_id', 1]]
    this.#paths = this.keys.map(([path]) => path.split('.'))
    this.fields = new Set(this.#paths.map(([first = '']) => first).filter((first) => first !== '_id'))
  }

  /** The order as a text, which is equal for equal orders. */
  get text(): string {
    return JSON.stringify(this.keys)
  }

  valuesOf(document: Document): SortValues {
    return this.keys.map(([, direction], index) => {
      const values: (Json | undefined)[] = []
      collect(document as Json, this.#paths[index] ?? [], 0, values)
      return values.reduce((best, value) => (compareValues(value, best) * direction < 0 ? value : best))
    })
  }

  /** Compares two documents by their values: negative if the first document comes first. */
  compare(a: SortValues, b: SortValues): number {
    for (const [index, [, direction]] of this.keys.entries()) {
      const order = compareValues(a[index], b[index])
      if (order !== 0) return order * direction
    }
    return 0
  }
}

/** Describes a source's `sort` and `limit`. */
export interface SortLimit {
  order: Order
  /** How many documents are shown at most. */
  limit: number
}

/**
 * Checks a source's `sort` and `limit`. Returns `undefined` without both.
 *
 * @param where the source, for messages: say, `dataSources.messages`
 * @throws ParticleError `INVALID_OPTION`
 */
export function parseSortLimit(sort: unknown, limit: unknown, where: string): SortLimit | undefined {
  if (limit !== undefined && !(Number.isSafeInteger(limit) && Number(limit) > 0))
    throw invalid(where, 'limit must be a whole number of at least 1')
  if (sort === undefined) {
    if (limit !== undefined)
      throw invalid(where, 'has a limit without a sort: say which documents come first, as in { at: -1 }')
    return undefined
  }
  if (!isPlain(sort) || Object.keys(sort).length === 0)
    throw invalid(where, 'sort must be fields with 1 or -1 each, as in { at: -1, name: 1 }')
  const keys = Object.entries(sort).map(([path, direction]): SortKey => {
    if (direction !== 1 && direction !== -1)
      throw invalid(where, `sort has "${path}": it must be 1 (ascending) or -1 (descending)`)
    if (path.split('.').some((name) => name === '' || name.startsWith('$') || isRefusedName(name)))
      throw invalid(where, `sort has "${path}", which is not the path of a field`)
    return [path, direction]
  })
  return { order: new Order(keys), limit: limit === undefined ? Number.POSITIVE_INFINITY : Number(limit) }
}

/** Collects a document's values at a path, as an index would hold them: always at least one. */
function collect(
  value: Json | undefined,
  path: readonly string[],
  at: number,
  values: (Json | undefined)[],
): void {
  const name = path[at]
  if (name === undefined) {
    if (!Array.isArray(value)) values.push(value ?? null)
    else if (value.length === 0) values.push(undefined)
    else for (const element of value) values.push(element)
  } else if (isObject(value)) collect(field(value, name), path, at + 1, values)
  else if (!Array.isArray(value)) values.push(null)
  else {
    const element = value[positionOf(name) ?? value.length]
    if (element !== undefined) collect(element, path, at + 1, values)
    else if (value.length === 0) values.push(null)
    else for (const each of value) collectWithin(each, path, at, values)
  }
}

/** Collects the values of an array's element. An array within an array is null: no name leads into it. */
function collectWithin(
  element: Json,
  path: readonly string[],
  at: number,
  values: (Json | undefined)[],
): void {
  if (isObject(element)) collect(element, path, at, values)
  else values.push(null)
}

function compareValues(a: Json | undefined, b: Json | undefined): number {
  if (a === undefined || b === undefined) return Number(b === undefined) - Number(a === undefined)
  // Handles infinities (JSON's 1e999), whose difference is not a number.
  return a === b ? 0 : compare(a, b)
}

function invalid(where: string, what: string): ParticleError {
  return new ParticleError('INVALID_OPTION', `${where} ${what}`)
}
