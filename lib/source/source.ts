import type { Document, Id, Json } from '../model/document.ts'
import type { Operation } from '../model/operation.ts'

/** Describes a Mongo-style query with all values in JSON form. `{}` matches every document. */
export type Query = Record<string, unknown>

/**
 * Describes a change of one document, at one position in an adapter's order.
 *
 * Contract: a write that creates missing parents is reported at the topmost created parent (as MongoDB's
 * change streams do), so that operations can be filtered without the document. Operations that depend on the
 * previous value (`inc`, `push`, ...) come with `document`. Without it, the server may look up a later
 * document, and the operations would count twice. All values are JSON.
 */
export interface DocumentChange {
  kind: 'insert' | 'update' | 'replace' | 'delete'
  /**
   * The adapter's own position of this change: letters, digits, `_`, `.`, `~` and `-`. Positions are unique,
   * and ascend by {@link Adapter.compare}.
   */
  position: string
  /** The time of the change: ISO 8601. */
  timestamp: string
  collection: string
  /**
   * Identifies a transaction. Consecutive changes with the same value are sent at once, coalesced per
   * document. Intermediate states are not sent.
   */
  transaction?: string
  id: Id
  /**
   * The operations: one `set` of `.` for `insert` and `replace`, one `unset` of `.` for `delete`, the changes
   * for `update`.
   */
  operations: Operation[]
  /** The document right after this change, if the source knows the exact document. Treat it as immutable. */
  document?: Document
  /** The document right before this change, if the source knows the exact document. Treat it as immutable. */
  before?: Document
}

/** Describes a change of a whole collection. `clear` empties the collection; `reload` requires a new read. */
interface WholeChange<Kind> {
  kind: Kind
  position: string
  timestamp: string
  collection: string
  transaction?: string
}

/** Reports that a whole collection is empty now (`clear`), or must be read again (`reload`). */
export type CollectionChange = WholeChange<'clear'> | WholeChange<'reload'>

/** Reports a change as an adapter's stream carries it: of one document, or of a whole collection. */
export type Change = DocumentChange | CollectionChange

/**
 * Reports changes of a collection that nobody is shown, as the store sent them. The server keeps them for
 * clients that come back from another node, and decodes them only if one does.
 */
export interface EncodedChange {
  kind: 'encoded'
  /** The position of the last of the changes. */
  position: string
  timestamp: string
  collection: string
  transaction?: string
  /** The estimated bytes in memory. */
  bytes: number
  /** Decodes the changes. Never throws: a `reload` stands for a change that can't be decoded. */
  decode(): readonly Change[]
}

/** Reports changes, decoded or not. */
export type ReportedChange = Change | EncodedChange

/** Receives the changes of a source that leaves some of them encoded. */
export interface EncodedListener {
  /** Checks whether somebody is shown a collection. The changes of other collections may stay encoded. */
  isShown(collection: string): boolean
  /** Reports changes as {@link ChangeListener.changes} does. */
  changes(changes: readonly ReportedChange[], position: string): void
}

/**
 * Names how a process gets the changes of a source that is read once per host: `leader` reads them for the
 * other processes, `follower` gets them from the leader, and `own` reads them for itself alone.
 */
export type HostRole = 'leader' | 'follower' | 'own'

/**
 * Receives the reports of an open adapter. All calls are synchronous, and none may be made before `open` was
 * called.
 */
export interface ChangeListener {
  /**
   * Reports changes in order. `position` is the position of the source, which may be past the last change.
   */
  changes(changes: readonly Change[], position: string): void
  /** Takes encoded changes too. A source may ignore it, and decode all changes. */
  readonly encoded?: EncodedListener
  /** Reports that the source has reached `position` without changes. */
  progress(position: string): void
  /**
   * Reports that the history up to `position` is lost, so that all collections must be read again. `onDebug`
   * gets the reason, which must name no document and nothing of a document.
   */
  lost(reason: string, position: string): void
  /** Reports a temporary failure. The adapter retries by itself, with back-off. */
  error(error: unknown): void
  /** Reports another role of this process, and the reason. Only for a source that is read once per host. */
  role?(role: HostRole, reason: string): void
}

/** Restricts a read to the first documents of an order. */
export interface ReadOptions {
  /** Dotted paths with 1 (ascending) or -1 (descending). The last path is unique for each document. */
  sort: readonly (readonly [path: string, direction: 1 | -1])[]
  /** The number of documents that are enough. */
  limit: number
}

/**
 * Describes a finished read: the positions at its begin and its end, and the time of its data (ISO 8601), if
 * the source knows that time.
 */
export interface Reading {
  from: string
  to: string
  timestamp?: string
  /** Whether the store has no such collection, in a store where a collection must be created first. */
  isMissing?: boolean
  /** The columns of the read documents, in a store that fixes the fields and their types. */
  columns?: Columns
}

/** Describes the fields of a collection's documents, as far as the columns of a table fix them. */
export interface Columns {
  /** Finds the values at a dotted path of the documents. Returns undefined if they may be any values. */
  find(path: string): ColumnForm | NoColumn | undefined
}

/** Describes the values of a column in their JSON form. */
export interface ColumnForm {
  /** The type as the store names it: `tinyint(1)`, for example. */
  readonly type: string
  /** The form of the values, for messages: `a number`, for example. */
  readonly form: string
  /** The values' types by `typeof`, and the types of the elements of arrays. */
  readonly types: readonly string[]
  /** Checks whether a value, or an element of an array, may equal a JSON value. Returns true in doubt. */
  mayEqual(value: Json): boolean
  /** Checks whether an order with a text of this form makes sense. Absent if any text does. */
  readonly mayOrder?: ((text: string) => boolean) | undefined
  /** Explains an order of the values that the type does not suggest, and the mend. */
  readonly disorder?: string | undefined
}

/** Explains why no document has a value at a path: `is no column of the table users`, for example. */
export interface NoColumn {
  readonly absence: string
  /** The column that was perhaps meant. */
  readonly near?: string | undefined
}

/** Receives the documents of a read, one batch after the other. */
export type EachBatch = (documents: Document[]) => void | Promise<void>

/** Represents a running subscription of an adapter. */
export interface Subscription {
  /** The start of the changes: every change after this position is reported. */
  readonly position: string
  /**
   * The end of the source's history at the opening. Changes between `position` and `head` may still be on the
   * way to the listener. Left out when both are equal.
   */
  readonly head?: string
  close(): Promise<void>
}

/**
 * Represents a store of documents in collections with one stream of changes: the result of `memory()`,
 * `mongo(database)` and so on. The server opens an adapter once per process, whatever the number of clients,
 * and
 * closes it after the last client has left.
 */
export interface Adapter {
  /** The kind of adapter: `memory`, `mongo`, ... */
  readonly name: string
  /**
   * Identifies the store, and everything else that its positions depend on. All nodes that follow one store
   * have the same text, and nodes of another store a different text. A position is valid only with the same
   * text. Left out when `name` identifies the store.
   */
  readonly store?: string
  /**
   * Whether readings may lack documents whose end is reported later, as with keys that expire. A client that
   * comes back to a view without known members is then sent all documents. A difference would start from
   * documents that nobody knows.
   */
  readonly readsAhead?: boolean
  /**
   * Whether the documents are in this process, so that a query costs no more than its documents. The server
   * doesn't join the queries of such a source.
   */
  readonly inProcess?: boolean
  /**
   * Starts to report changes. All changes after `from` are reported if the source's history reaches back to
   * `from`; otherwise all changes from now on. The returned `position` says which. Rejects only when another
   * attempt can't help (a standalone MongoDB, for example), or once `signal` is aborted: the caller no longer
   * waits for the opening, so that the adapter ends its attempts, and closes a subscription that opens later.
   */
  open(listener: ChangeListener, from?: string, signal?: AbortSignal): Promise<Subscription>
  /**
   * Returns the position of a number of milliseconds ago, or the oldest position that `open` can start from.
   * A server opens there at its start, so that clients of other nodes can resume. Left out by a source
   * without history.
   */
  past?(milliseconds: number): Promise<string>
  /**
   * Compares two positions: negative, zero or positive by their order. Returns `NaN` for positions that can't
   * be compared (another epoch, malformed).
   */
  compare(a: string, b: string): number
  /**
   * Reads the documents of a collection that match the query, in batches. Awaits `each` before the next batch
   * (backpressure). The documents may contain changes after `from`, and contain none after `to`. An atomic
   * read has an equal `from` and `to`. The source never changes the documents later.
   *
   * With `options`, the first `limit` documents of the order are enough, in any order. The order is that of
   * MongoDB's `sort` on JSON values. Of the documents that don't change during the read, none may be missing
   * before the last returned document. A source that can't guarantee this returns all documents.
   */
  read(collection: string, query: Query, each: EachBatch, options?: ReadOptions): Promise<Reading>
  /**
   * Returns the current documents with these ids, in any order, without deleted ones. A source without this
   * method makes the server read the root again when an operation needs its document.
   *
   * The documents may be newer than the change that needs them. A source that returns the `position` of the
   * lookup (the documents contain no later change) has all changes up to that position sent at once, so that
   * no client sees a state that never existed.
   */
  lookup?(
    collection: string,
    ids: readonly Id[],
  ): Promise<Document[] | { documents: Document[]; position: string }>
  /**
   * Inserts a document of the server itself, for the option `control`. Resolves when the store has it, so
   * that each node that reads from then on finds it. The document has texts alone: `_id` and `entry`.
   */
  append?(collection: string, document: Document): Promise<void>
  /** Deletes documents of the server itself by their ids. */
  discard?(collection: string, ids: readonly Id[]): Promise<void>
}

/** Describes the result of `adapter.collection(name)`, as far as the server uses it. */
export interface CollectionHandle<T = unknown> {
  readonly adapter: Adapter
  readonly collectionName: string
  /** The type of the documents, for TypeScript only. The property never has a value. */
  readonly $document?: T
}
