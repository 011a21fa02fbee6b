import type { Document, Id, Json } from '../model/document.ts'
import { idKey } from '../model/id.ts'
import type { DocumentChange, ReportedChange } from './source.ts'

/** Reads the current documents of one collection by their ids. */
export type Lookup = (collection: string, ids: readonly Id[]) => Promise<Document[]>

/**
 * Completes changes that lack their document: each becomes an `insert` or `replace` with the current
 * document. The document may be later than the change; the changes between follow in the stream and lead to
 * the same document again. Drops a change whose document is gone, because its deletion follows.
 */
export async function completeChanges<C extends ReportedChange>(
  changes: readonly C[],
  incomplete: ReadonlySet<ReportedChange>,
  lookup: Lookup,
): Promise<(C | DocumentChange)[]> {
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
      found.set(`${collection}\0${idKey(document._id ?? null)}`, document)
    }
  }
  return changes.flatMap<C | DocumentChange>((change) => {
    if (!('id' in change) || !incomplete.has(change)) return [change]
    const document = found.get(`${change.collection}\0${idKey(change.id)}`)
    return document ? [completed(change, document)] : []
  })
}

function completed(change: DocumentChange, document: Document): DocumentChange {
  const kind = change.kind === 'insert' ? 'insert' : 'replace'
  return { ...change, kind, operations: [{ operation: 'set', path: '.', data: document as Json }] }
}
