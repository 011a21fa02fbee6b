import type { Document, Id, Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { sameJson } from '../../model/json.ts'
import type { DocumentOperation } from '../../model/operation.ts'
import { filterPayload } from '../../policy/manifest.ts'
import type { DocumentChange } from '../../source/source.ts'
import { isOfDocument } from '../feed/change.ts'
import type { Entry } from '../feed/log.ts'
import { timeSlicer } from '../support/scheduling.ts'
import { digest, STALE } from './digest.ts'
import type { ViewFilter } from './filter.ts'
import type { SortedWindow } from './sorted-window.ts'

/** Describes the data of a client: the ids of its documents, and a digest of each document. */
export type ViewDigest = ReadonlyMap<string, number>

/** Returns the id of a key. */
function idOfKey(key: string): Id {
  return key.startsWith('"') ? key.slice(1) : JSON.parse(key)
}

/**
 * Returns the operations that lead from the known documents to the given ones. Removes the documents that are
 * gone, and sends new and changed documents whole.
 */
export async function differenceOf(
  known: ViewDigest,
  documents: ReadonlyMap<string, Document>,
): Promise<DocumentOperation[]> {
  const operations: DocumentOperation[] = []
  const turn = timeSlicer()
  for (const key of known.keys()) {
    if (!documents.has(key)) operations.push({ operation: 'unset', id: idOfKey(key), path: '.' })
    await turn()
  }
  for (const [key, document] of documents) {
    const before = known.get(key)
    if (before === undefined || before === STALE || before !== digest(document as Json))
      operations.push(whole(key, document))
    await turn()
  }
  return operations
}

/**
 * Adds moves to a difference, so that it leads to the documents' order too. `known` stands in the client's
 * order. The largest set of documents that are in the right order already stays in place.
 */
export function ordered(
  difference: readonly DocumentOperation[],
  known: ViewDigest,
  documents: ReadonlyMap<string, Document>,
): DocumentOperation[] {
  const operations = difference.filter(({ operation }) => operation === 'unset')
  const changed = new Map(difference.map((operation) => [idKey(operation.id), operation]))
  const places = new Map([...documents.keys()].map((key, place) => [key, place]))
  const current = [...known.keys()].filter((key) => documents.has(key))
  const staying = new Set(longestRise(current.map((key) => places.get(key) ?? 0)))
  let previous: string | undefined
  for (const [key, place] of places) {
    const { id, ...change } = changed.get(key) ?? { operation: 'noop', id: idOfKey(key), path: '.' }
    if (!staying.has(place)) {
      const from = known.has(key) ? current.indexOf(key) : -1
      if (from >= 0) current.splice(from, 1)
      const at = previous === undefined ? 0 : current.indexOf(previous) + 1
      current.splice(at, 0, key)
      operations.push({ ...change, id, at })
    } else if (changed.has(key)) operations.push({ ...change, id })
    previous = key
  }
  return operations
}

/** Returns the longest increasing subsequence of a list. */
function longestRise(list: readonly number[]): number[] {
  /** The index of the smallest number that ends an increasing subsequence, for each length. */
  const ends: number[] = []
  const before = list.map((number, index) => {
    let low = 0
    for (let high = ends.length; low < high; ) {
      const middle = (low + high) >> 1
      if ((list[ends[middle] ?? 0] ?? 0) < number) low = middle + 1
      else high = middle
    }
    ends[low] = index
    return ends[low - 1]
  })
  const rise: number[] = []
  for (let index = ends.at(-1); index !== undefined; index = before[index]) rise.push(list[index] ?? 0)
  return rise
}

/**
 * Returns the operations that bring a client from before the entries to the documents after them. Sends each
 * touched document whole or removes it, except documents with the same visible fields as before. Returns
 * undefined when the client may or may not have held a document that has left the view: its id could be a
 * secret.
 *
 * @param filter the view's filter
 */
export function recallOf(
  entries: Iterable<Entry>,
  collection: string,
  documents: ReadonlyMap<string, Document>,
  filter: ViewFilter,
): DocumentOperation[] | undefined {
  const first = firstChanges(entries, collection, filter)
  if (!first) return undefined
  const operations: DocumentOperation[] = []
  for (const [key, change] of first) {
    const document = documents.get(key)
    const held = wasHeld(change, filter.matches)
    if (document) {
      const image = held && change.before && filterPayload(filter.manifest, change.before)
      if (!image || !sameJson(image, document)) operations.push(whole(key, document))
      continue
    }
    if (held === undefined) return undefined
    if (held) operations.push({ operation: 'unset', id: change.id, path: '.' })
  }
  return operations
}

/**
 * Determines the data that a client of an ordered view had before the entries that led to the window. Returns
 * undefined when the entries don't tell.
 *
 * @param documents the documents after the entries, by the keys of their ids
 */
export function knownBefore(
  entries: Iterable<Entry>,
  collection: string,
  documents: ReadonlyMap<string, Document>,
  window: SortedWindow,
  filter: ViewFilter,
): ViewDigest | undefined {
  const first = firstChanges(entries, collection, filter)
  if (!first) return undefined
  const { matches, manifest } = filter
  const then = window.copy()
  for (const [key, { kind, before }] of first) {
    if (kind !== 'insert' && !before) return undefined
    if (kind !== 'insert' && before && (!matches || matches(before))) then.put(before)
    else then.remove(key)
  }
  if (then.short) return undefined
  return new Map(
    then.visible.map(({ key }) => {
      const before = first.get(key)?.before
      const image = before ? filterPayload(manifest, before) : documents.get(key)
      return [key, image ? digest(image as Json) : STALE]
    }),
  )
}

/**
 * Returns the first change of each document in the entries, without changes of hidden fields only. Returns
 * undefined after a change of the whole collection.
 */
function firstChanges(
  entries: Iterable<Entry>,
  collection: string,
  filter: ViewFilter,
): Map<string, DocumentChange> | undefined {
  const first = new Map<string, DocumentChange>()
  for (const entry of entries) {
    for (const change of entry.changesOf(collection)) {
      if (!isOfDocument(change)) return undefined
      const key = idKey(change.id)
      if (!first.has(key) && !filter.hides(change)) first.set(key, change)
    }
  }
  return first
}

/**
 * Checks whether the view had the document before the change. Returns undefined when the change doesn't tell.
 */
function wasHeld(
  change: DocumentChange,
  matches: ((document: Document) => boolean) | undefined,
): boolean | undefined {
  if (change.kind === 'insert') return false
  if (!matches) return true
  return change.before && matches(change.before)
}

function whole(key: string, document: Document): DocumentOperation {
  return {
    operation: 'set',
    id: idOfKey(key),
    path: '.',
    data: document as DocumentOperation['data'] & object,
  }
}
