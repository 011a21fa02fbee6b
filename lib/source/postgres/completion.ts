import type { Document, Id } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { Change, DocumentChange } from '../source.ts'
import { completed } from './change.ts'

/** Reads the current documents of one collection by their ids. */
export type Lookup = (collection: string, ids: readonly Id[]) => Promise<Document[]>

/**
 * Looks up the documents that changes lack. Drops a change whose document is gone, because its deletion
 * follows.
 */
export async function completeChanges(
  changes: readonly Change[],
  incomplete: ReadonlySet<DocumentChange>,
  lookup: Lookup,
): Promise<Change[]> {
  const wanted = new Map<string, Id[]>()
  for (const { collection, id } of incomplete) wanted.set(collection, [...(wanted.get(collection) ?? []), id])
  const found = new Map<string, Document>()
  for (const [collection, ids] of wanted) {
    for (const document of await lookup(collection, ids)) {
      found.set(`${collection}\0${idKey(document._id ?? null)}`, document)
    }
  }
  return changes.flatMap((change) => {
    if (!('id' in change) || !incomplete.has(change)) return [change]
    const document = found.get(`${change.collection}\0${idKey(change.id)}`)
    return document ? [completed(change, document)] : []
  })
}
