import type { Document } from '../model/document.ts'
import type { Change, DocumentChange } from '../source/source.ts'

/** Bytes that a change is reckoned at, besides what its operations hold. */
const OVERHEAD = 200
/** Bytes that a document which came with a change is reckoned at. */
const DOCUMENT = 500

/** The document after a change, where the change tells it: an insert and a replace hold it in their one operation. */
export function documentAfter(change: DocumentChange): Document | undefined {
  if (change.document || change.kind === 'update') return change.document
  return change.operations[0]?.data as Document | undefined
}

/** The change of a document that was found to be gone. It was deleted after the change: to leave it out already does no harm. */
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

/** What a change takes in memory, about, in bytes. */
export function sizeOf(change: Change): number {
  if (change.kind === 'clear' || change.kind === 'reload') return OVERHEAD
  return (
    OVERHEAD +
    JSON.stringify(change.operations).length +
    (change.document && change.kind === 'update' ? DOCUMENT : 0)
  )
}
