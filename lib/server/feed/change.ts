import type { Document } from '../../model/document.ts'
import { firstOf } from '../../policy/verdict.ts'
import type { Change, DocumentChange } from '../../source/source.ts'

/** Bytes that a change is reckoned at, besides what it holds. */
const OVERHEAD = 200
/** Bytes that an object, a text and any value are reckoned at, besides what they hold. */
const OBJECT = 24
const TEXT = 16
const VALUE = 8
/** So many items of a list are looked at. */
const SAMPLE = 16

/**
 * The document after a change, where the change tells it: an insert and a replace hold it in their one
 * operation.
 */
export function documentAfter(change: DocumentChange): Document | undefined {
  if (change.document || change.kind === 'update') return change.document
  return change.operations[0]?.data as Document | undefined
}

/**
 * The change of a document that was found to be gone. It was deleted after the change: to leave it out
 * already does no harm.
 */
export function withoutDocument(change: DocumentChange): DocumentChange {
  const { document: _, ...rest } = change
  return { ...rest, kind: 'delete', operations: [{ operation: 'unset', path: '.' }] }
}

/** Changes of one transaction belong together; all others stand alone. */
export function groupChanges(changes: readonly Change[]): Change[][] {
  const groups: Change[][] = []
  let transaction: string | undefined
  for (const change of changes) {
    const last = groups.at(-1)
    if (last && change.transaction !== undefined && change.transaction === transaction) last.push(change)
    else groups.push([change])
    transaction = change.transaction
  }
  return groups
}

/** Changes by their collections. */
export function byCollection(changes: readonly DocumentChange[]): Map<string, DocumentChange[]> {
  const groups = new Map<string, DocumentChange[]>()
  for (const change of changes) {
    const group = groups.get(change.collection)
    if (group) group.push(change)
    else groups.set(change.collection, [change])
  }
  return groups
}

/**
 * What a change takes in memory, about, in bytes: with the documents that came with it, which are kept as
 * long as it is.
 */
export function sizeOf(change: Change): number {
  if (change.kind === 'clear' || change.kind === 'reload') return OVERHEAD
  const { operations, document, before } = change
  // What was before is about as large as what is there after.
  const documents = document && before ? 2 * estimateBytes(document) : estimateBytes(document ?? before)
  return OVERHEAD + estimateBytes(operations) + documents
}

/**
 * What a value takes in memory, about, in bytes. A walk costs less than an encoding, of which nothing would
 * be used but its length; of a long list it takes a sample.
 */
export function estimateBytes(value: unknown): number {
  if (typeof value === 'string') return TEXT + value.length
  if (typeof value !== 'object' || value === null) return 0
  let bytes = OBJECT
  if (Array.isArray(value)) {
    const sample = Math.min(value.length, SAMPLE)
    for (let i = 0; i < sample; i++) bytes += ((VALUE + estimateBytes(value[i])) * value.length) / sample
  } else for (const name in value) bytes += VALUE + estimateBytes((value as Record<string, unknown>)[name])
  return Math.round(bytes)
}

/**
 * The fields at the top of the document that an update touches; undefined where it is the whole document, or
 * can't be told.
 */
export function touchedBy(change: DocumentChange): Set<string> | undefined {
  const touched = new Set<string>()
  try {
    for (const { operation, path, data, keys } of change.operations) {
      const places = [firstOf(path, keys)]
      if (operation === 'rename' && typeof data === 'string') places.push(firstOf(data))
      for (const first of places) {
        if (first === undefined) return undefined
        touched.add(first)
      }
    }
  } catch {
    // A malformed change: showing it reports that, and a document wouldn't help.
    return new Set()
  }
  return touched
}
