import type { Document, Id } from '../model/document.ts'
import type { Operation } from '../model/operation.ts'

/** A Mongo-style query with all values in JSON form; `{}` matches every document. */
export type Query = Record<string, unknown>

/**
 * One change at one place in an adapter's order.
 *
 * Contract: a write that creates missing parents is reported at the topmost parent it created (as MongoDB's
 * change streams do), so that operations can be filtered without the document. Operations that depend on the
 * value before them (`inc`, `push`, ...) come with `document`: without it, the server may look the document
 * up as it is later, and they would count twice. All values are JSON.
 */
export interface DocumentChange {
  kind: 'insert' | 'update' | 'replace' | 'delete'
  /**
   * The adapter's own position of this change, of letters, digits, `_`, `.`, `~` and `-`; unique, ascending
   * by {@link Adapter.compare}.
   */
  position: string
  /** When the change was made: ISO 8601. */
  timestamp: string
  collection: string
  /**
   * Changes that follow each other with the same value were made at once and are shown at once, as what they
   * come to for each document: nobody is told what was there only in between.
   */
  transaction?: string
  id: Id
  /** `insert` and `replace`: one `set` of `.`; `delete`: one `unset` of `.`; `update`: what changed. */
  operations: Operation[]
  /**
   * The document as it was right after this change, where the source knows it exactly. Treat it as immutable.
   */
  document?: Document
  /** The document as it was right before, where the source knows it exactly. Treat it as immutable. */
  before?: Document
}

/** The whole collection is gone (`clear`), or has become another one and must be read again (`reload`). */
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
 * What an adapter calls while it is open. All calls are synchronous and must not be made before `open` was
 * called.
 */
export interface ChangeListener {
  /** Changes in order; `position` is how far the source has come with them (it may be past the last one). */
  changes(changes: readonly Change[], position: string): void
  /** The source has come to `position` with nothing to tell. */
  progress(position: string): void
  /** The history between the last position and `position` is lost: all collections must be read again. */
  lost(reason: string, position: string): void
  /** Following failed for now; the adapter goes on trying by itself, with back-off. */
  error(error: unknown): void
}

/** The first documents of an order. */
export interface ReadOptions {
  /**
   * Dotted paths, with 1 where they ascend and -1 where they descend; the last of them tells any two
   * documents apart.
   */
  sort: readonly (readonly [path: string, direction: 1 | -1])[]
  /** So many documents are enough. */
  limit: number
}

/**
 * Between which positions a reading took place, and when its data was current (ISO 8601), where the source
 * says so.
 */
export interface Reading {
  from: string
  to: string
  timestamp?: string
}

/** A running subscription of an adapter. */
export interface Subscription {
  /** Where the changes begin: everything after this position is reported. */
  readonly position: string
  /**
   * The end of the source's history when it was opened: what lies between `position` and it may still be on
   * its way to the listener. Left out where that is `position`.
   */
  readonly head?: string
  close(): Promise<void>
}

/**
 * A store of documents in collections and the one stream of its changes: what `memory()`, `mongo(db)` and so
 * on return. The server opens it once a process, whatever the number of clients, and closes it when the last
 * one left.
 */
export interface Adapter {
  /** Which kind of adapter this is: `memory`, `mongo`, ... */
  readonly name: string
  /**
   * Which store it is, and whatever else its positions depend on: the same text on every node that follows
   * it, another one for another store. A position is honoured only where it is the same. Left out where
   * `name` says it all.
   */
  readonly store?: string
  /**
   * Starts to report changes: all after `from` where that is given and still within the source's history,
   * else all from now on (the returned `position` tells which). Rejects only where trying again can't help
   * (say, a standalone MongoDB).
   */
  open(listener: ChangeListener, from?: string): Promise<Subscription>
  /**
   * The position of so many milliseconds ago, or the oldest one from which `open` can still tell everything,
   * where the history is shorter. A server that starts opens there, so that clients of other nodes can
   * resume. Left out by a source that keeps no history.
   */
  past?(milliseconds: number): Promise<string>
  /**
   * Negative, zero or positive by the order of two positions; `NaN` where they can't be compared (another
   * epoch, malformed).
   */
  compare(a: string, b: string): number
  /**
   * Reads the documents of a collection that match the query, in batches; awaits `each` before it reads on
   * (backpressure). What changed after `from` may be in the documents already or not; nothing after `to` is
   * in them. Where reading is atomic, `from` equals `to`. Documents are handed over: the source won't change
   * them later.
   *
   * With `options`, the first `limit` documents of the order are enough, in any order: of those that don't
   * change meanwhile, none may be missing that comes before the last of what is given, by the order of the
   * JSON values that MongoDB's `sort` has. A source that isn't sure of it gives all documents.
   */
  read(
    collection: string,
    query: Query,
    each: (documents: Document[]) => void | Promise<void>,
    options?: ReadOptions,
  ): Promise<Reading>
  /**
   * The documents with these ids as they are now, in any order; those that are gone are left out. A source
   * that can't do it leaves it out: where an operation can't be filtered without the document, the root is
   * then read again.
   *
   * Documents that are looked up may be newer than the change that they are looked up for. A source that
   * tells at which `position` they were read (nothing of after it is in them) has all its changes up to there
   * shown at once, so that nobody sees a state that it never had.
   */
  lookup?(
    collection: string,
    ids: readonly Id[],
  ): Promise<Document[] | { documents: Document[]; position: string }>
}

/** What `adapter.collection(name)` returns, as far as the server needs it. */
export interface CollectionHandle<T = unknown> {
  readonly adapter: Adapter
  readonly collectionName: string
  /** The type of the documents, for types alone: it has never a value. */
  readonly $document?: T
}
