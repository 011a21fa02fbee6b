import type { Document } from '../../model/document.ts'
import { firstOf } from '../../policy/verdict.ts'
import type { Change, DocumentChange, ReportedChange } from '../../source/source.ts'

/** Estimates the bytes of a change without its content. */
const CHANGE_BYTES = 200
/** Estimates the bytes of an object, a string and any value without their content. */
const OBJECT_BYTES = 24
const TEXT_BYTES = 16
const VALUE_BYTES = 8
/** Limits the items of a list that are estimated. */
const SAMPLE = 16

/**
 * Returns the document after a change, if the change contains it. The single operation of an insert or a
 * replace is the document.
 */
export function documentAfter(change: DocumentChange): Document | undefined {
  if (change.document || change.kind === 'update') return change.document
  return change.operations[0]?.data as Document | undefined
}

/** Checks for a change of one document. */
export function isOfDocument(change: Change): change is DocumentChange {
  return change.kind !== 'clear' && change.kind !== 'reload'
}

/**
 * Replaces the change of a missing document by a delete. The document was deleted later, and removing it
 * early does no harm.
 */
export function withoutDocument(change: DocumentChange): DocumentChange {
  const { document: _, ...rest } = change
  return { ...rest, kind: 'delete', operations: [{ operation: 'unset', path: '.' }] }
}

/** Decodes the changes that their source left encoded. */
export function decoded(changes: readonly ReportedChange[]): readonly Change[] {
  return changes.every(isDecoded)
    ? changes
    : changes.flatMap((change) => (isDecoded(change) ? [change] : change.decode()))
}

function isDecoded(change: ReportedChange): change is Change {
  return change.kind !== 'encoded'
}

/** Groups changes by transaction. A change without a transaction is a group by itself. */
export function groupChanges<C extends ReportedChange>(changes: readonly C[]): readonly (readonly C[])[] {
  if (changes.length === 1) return [changes]
  const groups: C[][] = []
  let transaction: string | undefined
  for (const change of changes) {
    const last = groups.at(-1)
    if (last && change.transaction !== undefined && change.transaction === transaction) last.push(change)
    else groups.push([change])
    transaction = change.transaction
  }
  return groups
}

/** Groups changes by collection. */
export function byCollection(changes: readonly DocumentChange[]): Map<string, DocumentChange[]> {
  const groups = new Map<string, DocumentChange[]>()
  for (const change of changes) {
    const group = groups.get(change.collection)
    if (group) group.push(change)
    else groups.set(change.collection, [change])
  }
  return groups
}

/** Estimates the bytes of a change in memory, with its documents, which are kept as long as the change. */
export function sizeOf(change: ReportedChange): number {
  if (change.kind === 'encoded') return CHANGE_BYTES + change.bytes
  if (change.kind === 'clear' || change.kind === 'reload') return CHANGE_BYTES
  const { operations, document, before } = change
  // Assumes that the document before has about the same size as the document after.
  const documents = document && before ? 2 * estimateBytes(document) : estimateBytes(document ?? before)
  return CHANGE_BYTES + estimateBytes(operations) + documents
}

/**
 * Estimates the bytes of a value in memory. A walk costs less than encoding the value for its length. A long
 * list is estimated by a sample.
 */
export function estimateBytes(value: unknown): number {
  if (typeof value === 'string') return TEXT_BYTES + value.length
  if (typeof value !== 'object' || value === null) return 0
  let bytes = OBJECT_BYTES
  if (Array.isArray(value)) {
    const sample = Math.min(value.length, SAMPLE)
    for (let i = 0; i < sample; i++)
      bytes += ((VALUE_BYTES + estimateBytes(value[i])) * value.length) / sample
  } else
    for (const name in value) bytes += VALUE_BYTES + estimateBytes((value as Record<string, unknown>)[name])
  return Math.round(bytes)
}

/**
 * Returns the top-level fields that an update touches. Returns undefined for the whole document or an unknown
 * path.
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
    // Ignores a malformed change. Its error is reported when a view applies the change, and a document would
    // not help.
    return new Set()
  }
  return touched
}
