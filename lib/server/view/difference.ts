import type { Document, Id, Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { sameJson } from '../../model/json.ts'
import type { DocumentOperation } from '../../model/operation.ts'
import { filterPayload } from '../../policy/manifest.ts'
import type { Change, DocumentChange } from '../../source/source.ts'
import type { Entry } from '../feed/log.ts'
import { timeSlicer } from '../support/scheduling.ts'
import { digest, STALE } from './digest.ts'
import type { ViewFilter } from './filter.ts'
import type { SortedWindow } from './sorted-window.ts'

/** The ids that a client holds, and the digest of what it holds of each. */
export type ViewDigest = ReadonlyMap<string, number>

/** The id that a key stands for. */
function idOfKey(key: string): Id {
  return key.startsWith('"') ? key.slice(1) : JSON.parse(key)
}

/**
 * The operations that lead from what is known to the documents: those that are gone are removed, those that
 * are new or not the same sent whole.
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
 * A difference that leads to the order of the documents too: what is known stands in the client's order.
 * Those that keep their order among each other, as many as there can be, stay where they are.
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

/** The longest part of a list that rises. */
function longestRise(list: readonly number[]): number[] {
  /** For each length, the index of the least number that a rising part of that length ends with. */
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
 * The operations that lead a client, which held the view before the entries, to the documents after them:
 * what the entries touched is sent whole, or removed, but for documents whose image is known to be the same.
 * Undefined where it can't be told whether the client held a document that is not in the view now: its id
 * might be none that it may see.
 *
 * @param filter that of the view
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
 * What a client held of a view with an order before the entries, which led to the window. Undefined where it
 * can't be told.
 *
 * @param documents as the client is to have them, by the keys of their ids
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
 * The first change of each document in the entries that is not about hidden fields alone; undefined where
 * something happened to the whole collection.
 */
function firstChanges(
  entries: Iterable<Entry>,
  collection: string,
  filter: ViewFilter,
): Map<string, DocumentChange> | undefined {
  const first = new Map<string, DocumentChange>()
  for (const entry of entries) {
    for (const change of entry.changes) {
      if (change.collection !== collection) continue
      if (!isOfDocument(change)) return undefined
      const key = idKey(change.id)
      if (!first.has(key) && !filter.hides(change)) first.set(key, change)
    }
  }
  return first
}

/** Whether the view had the document before the change, as far as the change tells. */
function wasHeld(
  change: DocumentChange,
  matches: ((document: Document) => boolean) | undefined,
): boolean | undefined {
  if (change.kind === 'insert') return false
  if (!matches) return true
  return change.before && matches(change.before)
}

function isOfDocument(change: Change): change is DocumentChange {
  return change.kind !== 'clear' && change.kind !== 'reload'
}

function whole(key: string, document: Document): DocumentOperation {
  return {
    operation: 'set',
    id: idOfKey(key),
    path: '.',
    data: document as DocumentOperation['data'] & object,
  }
}
