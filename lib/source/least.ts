import { applyAll } from '../model/apply.ts'
import { diff, diffValue } from '../model/diff.ts'
import type { Document, Json } from '../model/document.ts'
import { child, valueAt } from '../model/json.ts'
import type { Operation } from '../model/operation.ts'

/**
 * Finds the operations from a document to its replacement; `undefined` if only a `set` of the whole document
 * expresses the change (a name that a path can't hold, another order of fields).
 */
export function differencesOf(before: Document, document: Document): Operation[] | undefined {
  const parts = diff(before, document)
  if (parts.length === 0 || parts.some(({ path }) => path === '.')) return undefined
  return parts.map((part) => withKeys(part, document))
}

/**
 * Adds the path's segments to an operation of `diff`. Only the document after the operation tells positions
 * of arrays from fields with numeric names.
 */
export function withKeys(operation: Operation, document: Document): Operation {
  return operation.path === '.' ? operation : { ...operation, keys: keysOf(document, operation.path) }
}

/** Computes the document after an update; `undefined` if an operation does not fit the document. */
export function documentAfter(before: Document, operations: readonly Operation[]): Document | undefined {
  try {
    return applyAll(before, operations)
  } catch {
    return undefined
  }
}

/**
 * Reduces an operation to its difference from the earlier document. Clients that see only unchanged parts of
 * a value that was set as a whole get no message.
 */
export function leastOperations(operation: Operation, before: Document, document: Document): Operation[] {
  const { keys = [], path } = operation
  const value = valueAt(document, keys)
  if (operation.operation !== 'set' || value === undefined) return [operation]
  if (value === operation.data && (typeof value !== 'object' || value === null)) return [operation]
  const parts = diffValue(valueAt(before, keys), value, path)
  // Keeps the operation if only the order of fields differs.
  if (parts.length === 0) return [operation]
  return parts.map((part) => withKeys(part, document))
}

/** Splits a path into segments, with the positions of arrays as numbers. */
function keysOf(document: Document, path: string): (string | number)[] {
  let value: Json | Document | undefined = document
  return path.split('.').map((name) => {
    const key = Array.isArray(value) ? Number(name) : name
    value = child(value, key)
    return key
  })
}
