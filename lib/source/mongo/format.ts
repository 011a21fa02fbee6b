import type { ChangeStreamDocument } from 'mongodb'
import type { Document, Id, Json } from '../../model/document.ts'
import type { DocumentOperation } from '../../model/operation.ts'
import { completeChanges, type Lookup } from '../completion.ts'
import type { Change } from '../source.ts'
import { bsonToJson, documentToJson } from './bson.ts'
import { eventTimestamp, translate } from './change.ts'

/** Describes an event of a watch with `format: 'normal'`: a delta as a data source's `delta` reports it. */
export interface NormalEvent {
  timestamp: Date
  /** `<database>.<collection>`. */
  namespace: string
  /** The operations on one document; empty with `reset`. */
  oplist: DocumentOperation[]
  /**
   * Requests a new read: the collection was dropped or renamed, or the history is lost, so that earlier data
   * is no longer valid.
   */
  reset?: true
}

/** Describes an event of a watch with `format: 'pretty'`: the change event in JSON, with plainer names. */
export interface PrettyEvent {
  timestamp: Date
  /** MongoDB's `operationType`: `insert`, `update`, `replace`, `delete`, `drop`, `rename`, ... */
  operation: string
  /** `<database>.<collection>`, or `<database>` for an event about the whole database. */
  namespace: string
  /** The event's resume token, as text. */
  operationId: string
  /** The document's `_id`, for an event about a document. */
  targetId?: Id
  /** The whole document of an `insert` or `replace`. */
  data?: Document
  /** The changed fields of an `update`. */
  update?: { set: { [path: string]: Json }; unset: string[]; truncate: { [path: string]: number } }
  /** The new namespace of a `rename`. */
  to?: string
}

/** Converts an event to the format `pretty`. */
export function prettyEvent(event: ChangeStreamDocument): PrettyEvent {
  const token: unknown = (event._id as { _data?: unknown } | undefined)?._data
  const result: PrettyEvent = {
    timestamp: new Date(eventTimestamp(event)),
    operation: event.operationType,
    namespace: namespaceOf(event),
    operationId: String(token),
  }
  if ('documentKey' in event && event.documentKey) result.targetId = bsonToJson(event.documentKey._id)
  if (event.operationType === 'insert' || event.operationType === 'replace') {
    result.data = documentToJson(event.fullDocument)
  } else if (event.operationType === 'update') {
    const { updatedFields, removedFields, truncatedArrays } = event.updateDescription ?? {}
    result.update = {
      set: documentToJson(updatedFields ?? {}) as { [path: string]: Json },
      unset: [...(removedFields ?? [])],
      truncate: Object.fromEntries(
        (truncatedArrays ?? []).map(({ field, newSize }) => [field, Number(newSize)]),
      ),
    }
  } else if (event.operationType === 'rename') {
    result.to = `${event.to.db}.${event.to.coll}`
  }
  return result
}

/**
 * Converts an event to the format `normal`: none for most events that aren't about documents, two for a
 * rename.
 */
export async function normalEvents(
  event: ChangeStreamDocument,
  lookup: (database: string) => Lookup,
): Promise<NormalEvent[]> {
  const database = databaseOf(event)
  const { changes, needsDocument } = translate(event, { position: String })
  const complete = needsDocument
    ? await completeChanges(changes, new Set(changes), lookup(database))
    : changes
  const events = complete.map((change) => normalEvent(database, change))
  // Resets the target collection of a rename into another database.
  if (event.operationType === 'rename' && event.to.db !== database) {
    events.push(resetEvent(`${event.to.db}.${event.to.coll}`, new Date(eventTimestamp(event))))
  }
  return events
}

/** Creates an event that requests a new read of a collection. */
export function resetEvent(namespace: string, timestamp: Date): NormalEvent {
  return { timestamp, namespace, oplist: [], reset: true }
}

function normalEvent(database: string, change: Change): NormalEvent {
  const namespace = `${database}.${change.collection}`
  const timestamp = new Date(change.timestamp)
  if (!('id' in change)) return resetEvent(namespace, timestamp)
  return {
    timestamp,
    namespace,
    oplist: change.operations.map((operation) => ({ ...operation, id: change.id })),
  }
}

function databaseOf(event: ChangeStreamDocument): string {
  return 'ns' in event && event.ns ? event.ns.db : ''
}

function namespaceOf(event: ChangeStreamDocument): string {
  const collection = 'ns' in event && event.ns && 'coll' in event.ns ? `.${event.ns.coll}` : ''
  return databaseOf(event) + collection
}
