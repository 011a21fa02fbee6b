import type { Document, Json } from '../model/document.ts'
import { field, isObject, toJson } from '../model/json.ts'
import { isPlain, type Query } from './query.ts'

/** Represents a value that `===` can compare. */
export type Scalar = string | number | boolean

/**
 * Collects the fields for which a query requires plain values, with the accepted values of each field. A
 * document without any accepted value of a field doesn't match. A document with one may match.
 *
 * Fields are dotted paths without array positions. Skips other conditions, and values other than texts,
 * numbers and booleans (null also matches a missing field).
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

/**
 * Returns the values of a condition that is nothing but an equality with one of some values; undefined for
 * another condition.
 */
export function requiredValues(condition: unknown): readonly unknown[] | undefined {
  if (!isPlain(condition)) return [condition]
  if (Object.keys(condition).length !== 1) return undefined
  if ('$eq' in condition) return [condition.$eq]
  return Array.isArray(condition.$in) ? condition.$in : undefined
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
  // Copies the list to its length, since it lives as long as its view. A list that grew has room for 17.
  return found.slice()
}

/**
 * Returns the values of a document at a dotted path. Includes the elements of arrays along the path and at
 * its end.
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
