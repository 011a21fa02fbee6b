import type { Document, Json } from '../model/document.ts'
import { idKey } from '../model/id.ts'
import { field, isObject, toJson } from '../model/json.ts'
import { isPlain, type Query } from './query.ts'

/**
 * What a document must have to match a query, as far as the query says it by plain values: for each such field, the keys of the values of which
 * it must have one. A document without any of a field's values doesn't match; one with one may.
 *
 * Fields are dotted paths; positions in arrays are no part of them. Conditions of other kinds, and values other than texts, numbers and booleans (null
 * matches what isn't there) tell nothing.
 */
export function equalitiesOf(query: Query): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const [key, value] of Object.entries(query)) {
    if (key === '$and' && Array.isArray(value)) {
      for (const inner of value) for (const [path, keys] of equalitiesOf(inner)) found.set(path, keys)
    } else if (!key.startsWith('$') && !/(^|\.)\d+(\.|$)/.test(key)) {
      const keys = keysOf(value)
      if (keys) found.set(key, keys)
    }
  }
  return found
}

function keysOf(condition: unknown): string[] | undefined {
  if (!isPlain(condition)) return scalarKeys([condition])
  if ('$eq' in condition) return scalarKeys([condition.$eq])
  return Array.isArray(condition.$in) ? scalarKeys(condition.$in) : undefined
}

function scalarKeys(values: readonly unknown[]): string[] | undefined {
  const keys: string[] = []
  for (const value of values) {
    if (value === undefined || value instanceof RegExp || isPlain(value)) return undefined
    const json = toJson(value)
    if (json === null || typeof json === 'object') return undefined
    keys.push(idKey(json))
  }
  return keys
}

/** The keys of the values that a document has at a dotted path, the elements of arrays on the way and at its end included. */
export function keysAt(document: Document, path: string): string[] {
  const keys: string[] = []
  collect(document as Json, path.split('.'), 0, keys)
  return keys
}

function collect(value: Json | undefined, path: readonly string[], at: number, keys: string[]): void {
  if (Array.isArray(value)) {
    for (const element of value) collect(element, path, at, keys)
    return
  }
  const name = path[at]
  if (name !== undefined) {
    if (isObject(value)) collect(field(value, name), path, at + 1, keys)
  } else if (value !== undefined && value !== null && typeof value !== 'object') keys.push(idKey(value))
}
