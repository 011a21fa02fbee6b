import { DocumentList } from '../../model/collection.ts'
import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { DocumentOperation, Operation } from '../../model/operation.ts'
import { REPEATABLE } from '../../model/repeatable.ts'
import type { Adapter, Change, DocumentChange } from '../../source/source.ts'
import { byCollection, documentAfter, withoutDocument } from './change.ts'

/** Documents that were looked up, by collection and id; null for those that are gone. */
export interface Found {
  documents: Map<string, Document | null>
  /** Nothing of after this position is in them, where the source says so. */
  position: string | undefined
}

/** Looks the documents of changes up. Rejects where a look-up does. */
export async function lookUp(adapter: Adapter, needed: readonly DocumentChange[]): Promise<Found> {
  const found: Found = { documents: new Map(), position: undefined }
  for (const [collection, changes] of byCollection(needed)) {
    const ids = new Map(changes.map(({ id }) => [idKey(id), id]))
    const answer = (await adapter.lookup?.(collection, [...ids.values()])) ?? []
    const { documents, position } = Array.isArray(answer) ? { documents: answer } : answer
    for (const key of ids.keys()) found.documents.set(placeOf(collection, key), null)
    for (const document of documents)
      found.documents.set(placeOf(collection, idKey(document._id ?? null)), document)
    if (position !== undefined && !(adapter.compare(position, found.position ?? position) < 0))
      found.position = position
  }
  return found
}

/**
 * Changes with the documents that were looked up. Where the changes are all that there are up to the position
 * of the look-up, each document is what it was after the last of them: what the look-up may have missed of
 * them is folded in, by values. Who is given it has what comes after the change already: what can't be
 * repeated goes whole from there on. Where no position tells that, it may be a later one than its operations
 * lead to: then it goes whole.
 */
export function complete(changes: readonly Change[], { documents, position }: Found): Change[] {
  const after = new Map<string, Document | null>()
  for (const [place, document] of documents) after.set(place, folded(place, document, changes))
  /** Where a change was given a document of after the last one. */
  const ahead = new Set<string>()
  return changes.map((change) => {
    if (!('id' in change) || change.kind !== 'update') return change
    const place = placeOf(change.collection, idKey(change.id))
    const document = change.document ?? after.get(place)
    if (document === undefined) return change
    if (document === null) return withoutDocument(change)
    const repeated = ahead.has(place)
    const told = change.document !== undefined
    if (!told) ahead.add(place)
    if (repeated && !change.operations.every(({ operation }) => REPEATABLE.has(operation)))
      return wholeChange(change, document)
    if (told) return change
    return position === undefined ? wholeChange(change, document) : { ...change, document }
  })
}

function wholeChange(change: DocumentChange, document: Document): DocumentChange {
  const operations: Operation[] = [
    { operation: 'set', path: '.', data: document as Operation['data'] & object },
  ]
  return { ...change, kind: 'replace', operations, document }
}

function folded(place: string, document: Document | null, changes: readonly Change[]): Document | null {
  const list = new DocumentList(document ? [document] : [])
  for (const change of changes) {
    if (!('id' in change) || placeOf(change.collection, idKey(change.id)) !== place) continue
    const { id } = change
    const whole = documentAfter(change)
    const operations: DocumentOperation[] =
      change.kind === 'delete'
        ? [{ operation: 'unset', id, path: '.' }]
        : whole
          ? [{ operation: 'set', id, path: '.', data: whole as DocumentOperation['data'] & object }]
          : change.operations.map((operation) => ({ ...operation, id }))
    for (const operation of operations) {
      try {
        list.apply([operation])
      } catch {
        // The document was looked up in a newer shape, which this operation doesn't fit; the change that gave
        // it that shape follows.
      }
    }
  }
  return list.list[0] ?? null
}

function placeOf(collection: string, key: string): string {
  return `${collection} ${key}`
}
