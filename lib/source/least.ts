import { diff, diffValue } from '../model/diff.ts'
import type { Document, Json } from '../model/document.ts'
import { child, valueAt } from '../model/json.ts'
import type { Operation } from '../model/operation.ts'

/**
 * What leads from a document to its replacement; undefined where only a `set` of the whole says it (a name
 * that can't stand in a path, another order of fields).
 */
export function differencesOf(before: Document, document: Document): Operation[] | undefined {
  const parts = diff(before, document)
  if (parts.length === 0 || parts.some(({ path }) => path === '.')) return undefined
  return parts.map((part) => ({ ...part, keys: keysOf(document, part.path) }))
}

/**
 * What of an operation differs from the document before it. Those who see only other parts of a value that
 * was set as a whole hear nothing of the write.
 */
export function leastOperations(operation: Operation, before: Document, document: Document): Operation[] {
  const { keys = [], path } = operation
  const value = valueAt(document, keys)
  if (operation.operation !== 'set' || value === undefined) return [operation]
  const parts = diffValue(valueAt(before, keys), value, path)
  // Only the order of fields differs.
  if (parts.length === 0) return [operation]
  return parts.map((part) => ({ ...part, keys: keysOf(document, part.path) }))
}

/** The segments of a path, with the positions of arrays as numbers. */
function keysOf(document: Document, path: string): (string | number)[] {
  let value: Json | Document | undefined = document
  return path.split('.').map((name) => {
    const key = Array.isArray(value) ? Number(name) : name
    value = child(value, key)
    return key
  })
}
