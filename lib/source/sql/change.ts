import { diff } from '../../model/diff.ts'
import type { Document, Id, Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { Operation } from '../../model/operation.ts'
import type { Change, DocumentChange } from '../source.ts'

/** Describes the collection, the place and the time of a row's changes. */
export interface ChangePlace {
  readonly collection: string
  readonly timestamp: string
  readonly transaction: string
  /** Returns the position of the change number `index` of a row's changes. */
  position(index: number): string
}

/** Describes a row's change by the whole documents right before and after it. */
export interface DocumentPair {
  readonly kind: 'insert' | 'update' | 'delete'
  readonly before?: Document | undefined
  readonly after?: Document | undefined
}

/**
 * Translates a change with whole documents. An insert becomes a `set` of `.`, a delete an `unset` of `.`, an
 * update the {@link difference}. A new `_id` becomes a delete and an insert.
 */
export function changesOf(place: ChangePlace, { kind, before, after }: DocumentPair): Change[] {
  const old = before && kind !== 'insert' ? before : undefined
  if (!after) return old ? [removal(place, old._id ?? null, old)] : []
  const id = after._id ?? null
  if (!old) return [whole(place, 'insert', 1, id, after)]
  if (idKey(old._id ?? null) === idKey(id)) return difference(place, old, after)
  return [removal(place, old._id ?? null, old), whole(place, 'insert', 1, id, after)]
}

/** Makes the change of a deleted document. */
export function removal(place: ChangePlace, id: Id, before: Document | undefined): DocumentChange {
  const change = changeOf(place, 'delete', 0, id, [{ operation: 'unset', path: '.' }])
  if (before) change.before = before
  return change
}

/** Makes a change that sets the whole document. The change has no operations if the document is unknown. */
export function whole(
  place: ChangePlace,
  kind: 'insert' | 'replace',
  index: number,
  id: Id,
  document: Document | undefined,
): DocumentChange {
  const operations: Operation[] = document ? [{ operation: 'set', path: '.', data: document as Json }] : []
  const change = changeOf(place, kind, index, id, operations)
  if (document) change.document = document
  return change
}

/**
 * Makes the change between two documents of the same `_id`: no change without a difference, a `set` of `.` if
 * all fields differ.
 */
export function difference(place: ChangePlace, before: Document, after: Document): DocumentChange[] {
  const operations = diff(before, after)
  if (operations.length === 0) return []
  const id = after._id ?? null
  const change = replaces(before, operations)
    ? whole(place, 'replace', 0, id, after)
    : changeOf(place, 'update', 0, id, operations)
  change.before = before
  change.document = after
  return [change]
}

/** Makes a change that requires a new read of the collection. */
export function reload(place: ChangePlace): Change {
  const { collection, timestamp, transaction } = place
  return { kind: 'reload', position: place.position(0), timestamp, collection, transaction }
}

/** Makes a change. Writes one literal, because each copy by a spread gets a hidden class of its own in V8. */
export function changeOf(
  place: ChangePlace,
  kind: DocumentChange['kind'],
  index: number,
  id: Id,
  operations: Operation[],
): DocumentChange {
  return {
    kind,
    position: place.position(index),
    timestamp: place.timestamp,
    collection: place.collection,
    transaction: place.transaction,
    id,
    operations,
  }
}

/** Checks that an update keeps no field. A `set` of the whole document is then shorter. */
function replaces(before: Document, operations: readonly Operation[]): boolean {
  const fields = Object.keys(before).length - 1
  if (operations[0]?.path === '.') return true
  return fields > 0 && operations.filter(({ path }) => Object.hasOwn(before, path)).length === fields
}
