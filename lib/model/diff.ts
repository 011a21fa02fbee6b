import type { Document, Json } from './document.ts'
import { idKey } from './id.ts'
import { field, isObject, type JsonObject } from './json.ts'
import type { DocumentOperation, Operation } from './operation.ts'
import { isPathName } from './path.ts'

/**
 * Finds the `set` and `unset` operations that turn one document into another: `applyOp` of all of them to
 * `before` gives `after`, except for the order of fields. A new field is set with its topmost new parent. An
 * array is set as a whole when its length or the kinds of its elements changed. A change under a name that a
 * path can't hold is set with the parent, and at the top by a `set` of `.`, like a document whose `_id`
 * changed.
 *
 * The operations share parts with `after`.
 */
export function diff(before: Document, after: Document): Operation[] {
  const operations: Operation[] = []
  const sameId = idKey(before._id ?? null) === idKey(after._id ?? null)
  if (sameId && diffObjects(before as JsonObject, after as JsonObject, '', operations)) return operations
  return [{ operation: 'set', path: '.', data: after as JsonObject }]
}

/**
 * Finds the operations that turn one set of documents into another: `unset` of `.` for removed documents
 * first, then {@link diff} for documents in both sets and `set` of `.` for new documents. Treats documents
 * that are the same object as equal. Ignores the order of the list, and documents without an `_id`.
 */
export function diffDocuments(before: readonly Document[], after: readonly Document[]): DocumentOperation[] {
  const old = byId(before)
  const fresh = byId(after)
  const operations: DocumentOperation[] = []
  for (const [key, document] of old) {
    if (!fresh.has(key)) operations.push({ operation: 'unset', id: document._id ?? null, path: '.' })
  }
  for (const [key, document] of fresh) {
    const id = document._id ?? null
    const known = old.get(key)
    if (known === undefined) {
      operations.push({ operation: 'set', id, path: '.', data: document as JsonObject })
    } else if (known !== document) {
      for (const operation of diff(known, document)) operations.push({ ...operation, id })
    }
  }
  return operations
}

/** Finds the smallest operations for one value at a path, as {@link diff} does for documents. */
export function diffValue(before: Json | undefined, after: Json, path: string): Operation[] {
  const operations: Operation[] = []
  diffValues(before, after, path, operations)
  return operations
}

function byId(documents: readonly Document[]): Map<string, Document> {
  const found = new Map<string, Document>()
  for (const document of documents) if (document._id !== undefined) found.set(idKey(document._id), document)
  return found
}

/** Adds the operations of two objects. Returns `false` for a differing name that a path can't hold. */
function diffObjects(
  before: JsonObject,
  after: JsonObject,
  prefix: string,
  operations: Operation[],
): boolean {
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const old = field(before, name)
    const value = field(after, name)
    if (same(old, value)) continue
    if (!isPathName(name)) return false
    const path = prefix + name
    if (value === undefined) operations.push({ operation: 'unset', path })
    else diffValues(old, value, path, operations)
  }
  return true
}

function diffValues(old: Json | undefined, value: Json, path: string, operations: Operation[]): void {
  const start = operations.length
  if (isObject(old) && isObject(value)) {
    if (diffObjects(old, value, `${path}.`, operations)) return
    operations.length = start
  } else if (Array.isArray(old) && Array.isArray(value) && alike(old, value)) {
    for (const [index, item] of value.entries()) {
      if (!same(old[index], item)) diffValues(old[index], item, `${path}.${index}`, operations)
    }
    return
  }
  operations.push({ operation: 'set', path, data: value })
}

function alike(old: readonly Json[], value: readonly Json[]): boolean {
  return old.length === value.length && value.every((item, index) => kind(item) === kind(old[index] ?? null))
}

function kind(value: Json): string {
  return Array.isArray(value) ? 'array' : isObject(value) ? 'object' : 'scalar'
}

/** Compares two values, ignoring the order of fields. */
function same(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => same(item, b[index]))
  }
  if (!isObject(a) || !isObject(b)) return false
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...names].every((name) => same(field(a, name), field(b, name)))
}
