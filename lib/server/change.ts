import type { Document } from '../model/document.ts'
import type { DocumentChange } from '../source/source.ts'

/** The document after a change, where the change tells it: an insert and a replace hold it in their one operation. */
export function documentAfter(change: DocumentChange): Document | undefined {
  if (change.document || change.kind === 'update') return change.document
  return change.operations[0]?.data as Document | undefined
}
