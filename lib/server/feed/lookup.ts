import { DocumentList } from '../../model/collection.ts'
import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { DocumentOperation, Operation } from '../../model/operation.ts'
import { REPEATABLE } from '../../model/repeatable.ts'
import type { Adapter, Change, DocumentChange } from '../../source/source.ts'
import { byCollection, documentAfter, withoutDocument } from './change.ts'

/** Holds the looked-up documents, by collection and id; null for missing documents. */
export interface Found {
  documents: Map<string, Document | null>
  /** The position that the documents do not exceed, if the source returns it. */
  position: string | undefined
}

/** Looks up the documents of changes. Rejects when a lookup fails. */
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
 * Adds the looked-up documents to changes. With a position, `changes` are complete up to the lookup, so each
 * document is folded up to its last change. A view that receives the document already has the effect of later
 * changes, so later non-repeatable operations (inc, push) become the whole document. Without a position the
 * document may be newer than its change, so every lookup is sent as the whole document.
 */
export function complete(changes: readonly Change[], { documents, position }: Found): Change[] {
  const after = new Map<string, Document | null>()
  for (const [place, document] of documents) after.set(place, folded(place, document, changes))
  /** The documents that an earlier change already has in their latest state. */
  const ahead = new Set<string>()
  return changes.map((change) => {
    if (!('id' in change) || change.kind !== 'update') return change
    const place = placeOf(change.collection, idKey(change.id))
    const document = change.document ?? after.get(place)
    if (document === undefined) return change
    if (document === null) return withoutDocument(change)
    const repeated = ahead.has(place)
    const isOwn = change.document !== undefined
    if (!isOwn) ahead.add(place)
    if (repeated && !change.operations.every(({ operation }) => REPEATABLE.has(operation)))
      return wholeChange(change, document)
    if (isOwn) return change
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
        // Skips an operation that does not fit the newer document. The change that made the document newer
        // follows.
      }
    }
  }
  return list.list[0] ?? null
}

function placeOf(collection: string, key: string): string {
  return `${collection} ${key}`
}
