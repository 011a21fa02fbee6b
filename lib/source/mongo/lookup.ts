import type { Document, Id, Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { Change, DocumentChange } from '../source.ts'

/** Reads documents of one collection by their ids. */
export type Lookup = (collection: string, ids: readonly Id[]) => Promise<Document[]>

/**
 * Completes changes that no operation could express: each becomes a `replace` with the current document. The
 * document may be later than the change; the changes between follow in the stream and lead to the same
 * document again. Drops a change whose document is gone, because its deletion follows.
 */
export async function completeChanges(
  changes: readonly Change[],
  incomplete: ReadonlySet<Change>,
  lookup: Lookup,
): Promise<Change[]> {
  if (incomplete.size === 0) return [...changes]
  const wanted = new Map<string, Map<string, Id>>()
  for (const change of incomplete) {
    if (!('id' in change)) continue
    const ids = wanted.get(change.collection) ?? new Map<string, Id>()
    wanted.set(change.collection, ids.set(idKey(change.id), change.id))
  }
  const found = new Map<string, Document>()
  for (const [collection, ids] of wanted) {
    for (const document of await lookup(collection, [...ids.values()])) {
      found.set(`${collection} ${idKey(document._id ?? null)}`, document)
    }
  }
  return changes.flatMap((change) => {
    if (!incomplete.has(change) || !('id' in change)) return [change]
    const document = found.get(`${change.collection} ${idKey(change.id)}`)
    return document ? [replaced(change, document)] : []
  })
}

function replaced(change: DocumentChange, document: Document): DocumentChange {
  return { ...change, kind: 'replace', operations: [{ operation: 'set', path: '.', data: document as Json }] }
}
