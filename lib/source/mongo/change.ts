import type { ChangeStreamDocument, UpdateDescription } from 'mongodb'
import type { Document, Json } from '../../model/document.ts'
import { isoTime } from '../../model/iso-time.ts'
import type { Operation } from '../../model/operation.ts'
import { positionOf } from '../../model/path.ts'
import { differencesOf, documentAfter, leastOperations } from '../least.ts'
import type { Change, DocumentChange } from '../source.ts'
import { bsonToJson, documentToJson } from './bson.ts'
import { clusterTime } from './time.ts'
import { tokenTime } from './token.ts'

/** Options of {@link translate}. */
export interface TranslateOptions {
  /** The collections that `dropDatabase` clears. */
  collections?: readonly string[]
  /** The position of the change number `index` (0, 1, ...) of this event. */
  position: (index: number) => string
}

/** Describes the changes of one event. */
export interface Translation {
  changes: Change[]
  /**
   * Marks an update that no operation can express: a field's name with a dot or a bracket, a path without its
   * names from the server, or an event without a description. The single change has no operations yet: the
   * document must be looked up, and becomes a `set` of `.`.
   */
  needsDocument: boolean
}

const KEYED: ReadonlySet<string> = new Set(['insert', 'replace', 'update', 'delete'])
const REFUSED = new Set(['', '__proto__', 'constructor', 'prototype'])

/**
 * Translates a change event to changes of the source contract. Pure.
 *
 * `insert` and `replace` become a `set` of `.`, `delete` an `unset` of `.`, `update` one operation for each
 * truncated array, removed field and updated field, in this order (they never overlap: MongoDB reports no
 * element past an array's new end). With a pre-image, `replace` and `update` become the difference from it.
 * `drop` becomes a `clear`, `dropDatabase` a `clear` of each known collection, `rename` a `clear` of the old
 * name and a `reload` of the new one. Other events have no changes.
 */
export function translate(event: ChangeStreamDocument, options: TranslateOptions): Translation {
  const timestamp = eventTimestamp(event)
  const whole = (kind: 'clear' | 'reload', collection: string, index = 0): Change => ({
    kind,
    position: options.position(index),
    timestamp,
    collection,
  })
  switch (event.operationType) {
    case 'insert':
    case 'replace': {
      const document = documentToJson(event.fullDocument)
      const whole: Operation[] = [{ operation: 'set', path: '.', data: document as Json }]
      const change = start(event, options, timestamp, whole)
      const differences = change.before && differencesOf(change.before, document)
      if (differences) {
        change.kind = 'update'
        change.operations = differences
      }
      change.document = document
      return found(change)
    }
    case 'update': {
      const operations = updateOperations(event.updateDescription)
      const change = start(event, options, timestamp, operations ?? [])
      const { before } = change
      // Computes the post-image from the pre-image, as MongoDB does, so that the server need not send it too.
      // (SecantusDB's post-image may be later than the update.)
      const document = before && operations && documentAfter(before, operations)
      if (document) {
        change.operations = change.operations.flatMap((one) => leastOperations(one, before, document))
        change.document = document
      }
      return { changes: [change], needsDocument: operations === undefined }
    }
    case 'delete':
      return found(start(event, options, timestamp, [{ operation: 'unset', path: '.' }]))
    case 'drop':
      return found(whole('clear', event.ns.coll))
    case 'rename':
      return found(whole('clear', event.ns.coll), ...renamedTo(event, (name) => whole('reload', name, 1)))
    case 'create':
      // Requests a new read of a view: MongoDB reports none of its changes, so that the read refuses the
      // view.
      return found(...unfollowable(event).map((name) => whole('reload', name)))
    case 'dropDatabase':
      return found(
        ...[...(options.collections ?? [])].sort().map((name, index) => whole('clear', name, index)),
      )
    default:
      return found()
  }
}

/**
 * Returns the time of an event as ISO 8601: its `wallTime` (MongoDB 6.0 and later), else the second of its
 * cluster time.
 */
export function eventTimestamp(event: ChangeStreamDocument): string {
  if ('wallTime' in event && event.wallTime instanceof Date) return isoTime(event.wallTime.getTime())
  const time = event.clusterTime ? clusterTime(event.clusterTime) : tokenTime(event._id)
  return isoTime(time ? time.t * 1000 : Date.now())
}

/**
 * Returns the operations of an update; `undefined` for a path that can't be expressed or is ambiguous, and
 * for an event that does not describe the update (Azure DocumentDB).
 */
export function updateOperations(description: UpdateDescription | undefined): Operation[] | undefined {
  if (!description) return undefined
  const operations: Operation[] = []
  const add = (path: string, operation: 'set' | 'unset' | 'truncate', data?: Json): boolean => {
    const keys = segmentsOf(path, description.disambiguatedPaths)
    if (!keys?.every(expressible)) return false
    operations.push(data === undefined ? { operation, path, keys } : { operation, path, keys, data })
    return true
  }
  for (const { field, newSize } of description.truncatedArrays ?? []) {
    if (!add(field, 'truncate', Number(newSize))) return undefined
  }
  for (const field of description.removedFields ?? []) {
    if (!add(field, 'unset')) return undefined
  }
  for (const [field, value] of Object.entries(description.updatedFields ?? {})) {
    if (!add(field, 'set', bsonToJson(value))) return undefined
  }
  return operations
}

/**
 * Splits a field's path into segments, with numbers for positions in arrays. MongoDB lists ambiguous paths (a
 * name with a dot, or a numeric name) in `disambiguatedPaths`. Returns `undefined` for an event without that
 * list (before MongoDB 6.1, and without `showExpandedEvents`): `a.b` may be one name or two.
 */
function segmentsOf(
  path: string,
  disambiguated: Record<string, unknown> | undefined,
): (string | number)[] | undefined {
  const listed = disambiguated && Object.hasOwn(disambiguated, path) ? disambiguated[path] : undefined
  if (Array.isArray(listed)) return listed.map((key) => (typeof key === 'string' ? key : Number(key)))
  if (!path.includes('.')) return [path]
  if (!disambiguated) return undefined
  const isPosition = (name: string, index: number) => index > 0 && positionOf(name) !== undefined
  return path.split('.').map((name, index) => (isPosition(name, index) ? Number(name) : name))
}

function expressible(segment: string | number): boolean {
  return typeof segment === 'number' || !(REFUSED.has(segment) || /[.[\]]/.test(segment))
}

function found(...changes: Change[]): Translation {
  return { changes, needsDocument: false }
}

/** Checks for an event about one document. */
function isKeyed(event: ChangeStreamDocument): event is KeyedEvent {
  return KEYED.has(event.operationType)
}

/** Requests a new read of an event's collection, whatever the event says. */
export function reloads(event: ChangeStreamDocument, options: TranslateOptions): Change[] {
  if (!isKeyed(event)) return []
  const { coll: collection } = event.ns
  return [{ kind: 'reload', position: options.position(0), timestamp: eventTimestamp(event), collection }]
}

type KeyedEvent = Extract<ChangeStreamDocument, { operationType: 'insert' | 'replace' | 'update' | 'delete' }>

function start(
  event: KeyedEvent,
  options: TranslateOptions,
  timestamp: string,
  operations: Operation[],
): DocumentChange {
  const change: DocumentChange = {
    kind: event.operationType,
    position: options.position(0),
    timestamp,
    collection: event.ns.coll,
    id: bsonToJson(event.documentKey?._id),
    operations,
  }
  const before = imageBefore(event)
  if (before) change.before = before
  return change
}

/**
 * Returns the document before the change, if the collection keeps pre-images and this one hasn't expired. An
 * expired pre-image is null or missing.
 */
function imageBefore(event: KeyedEvent): Document | undefined {
  const image = 'fullDocumentBeforeChange' in event ? event.fullDocumentBeforeChange : undefined
  return image ? documentToJson(image) : undefined
}

/** Returns the name of a created view or time-series collection. */
function unfollowable(event: ChangeStreamDocument): string[] {
  const { ns, nsType, operationDescription } = event as {
    ns?: { coll: string }
    nsType?: string
    operationDescription?: { viewOn?: unknown; timeseries?: unknown }
  }
  const { viewOn, timeseries } = operationDescription ?? {}
  const isOne =
    nsType === 'view' || nsType === 'timeseries' || viewOn !== undefined || timeseries !== undefined
  return isOne && ns ? [ns.coll] : []
}

/** Treats a rename into another database as a removal from this one. */
function renamedTo(
  event: Extract<ChangeStreamDocument, { operationType: 'rename' }>,
  reload: (name: string) => Change,
): Change[] {
  return event.to.db === event.ns.db ? [reload(event.to.coll)] : []
}
