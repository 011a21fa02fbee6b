import type { Document, Json } from '../model/document.ts'
import { field, isObject, toJson } from '../model/json.ts'
import { isPlain, type Query } from './query.ts'

/** A value of which two are equal where `===` says so. */
export type Scalar = string | number | boolean

/**
 * What a document must have to match a query, as far as the query says it by plain values: for each such
 * field, the values of which it must have one. A document without any of a field's values doesn't match; one
 * with one may.
 *
 * Fields are dotted paths; positions in arrays are no part of them. Conditions of other kinds, and values
 * other than texts, numbers and booleans (null matches what isn't there) tell nothing.
 */
export function equalitiesOf(query: Query): Map<string, Scalar[]> {
  const found = new Map<string, Scalar[]>()
  for (const [key, value] of Object.entries(query)) {
    if (key === '$and' && Array.isArray(value)) {
      for (const inner of value) for (const [path, values] of equalitiesOf(inner)) found.set(path, values)
    } else if (!key.startsWith('$') && !/(^|\.)\d+(\.|$)/.test(key)) {
      const values = valuesOf(value)
      if (values) found.set(key, values)
    }
  }
  return found
}

function valuesOf(condition: unknown): Scalar[] | undefined {
  if (!isPlain(condition)) return scalars([condition])
  if ('$eq' in condition) return scalars([condition.$eq])
  return Array.isArray(condition.$in) ? scalars(condition.$in) : undefined
}

function scalars(values: readonly unknown[]): Scalar[] | undefined {
  const found: Scalar[] = []
  for (const value of values) {
    if (value === undefined || typeof value === 'bigint' || value instanceof RegExp || isPlain(value))
      return undefined
    const json = toJson(value)
    if (json === null || typeof json === 'object') return undefined
    found.push(json)
  }
  return found
}

/**
 * The values that a document has at a dotted path, the elements of arrays on the way and at its end included.
 */
export function scalarsAt(document: Document, path: string): Scalar[] {
  const found: Scalar[] = []
  collect(document as Json, path.split('.'), 0, found)
  return found
}

function collect(value: Json | undefined, path: readonly string[], at: number, found: Scalar[]): void {
  if (Array.isArray(value)) {
    for (const element of value) collect(element, path, at, found)
    return
  }
  const name = path[at]
  if (name !== undefined) {
    if (isObject(value)) collect(field(value, name), path, at + 1, found)
  } else if (value !== undefined && value !== null && typeof value !== 'object') found.push(value)
}
