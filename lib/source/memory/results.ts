import type { Document, Id } from '../../model/document.ts'
import type { Visible } from '../../model/shape.ts'
import type { Query } from '../source.ts'
import type { Sort } from './cursor.ts'

/** Reports an insert, as MongoDB's driver does. */
export interface InsertOneResult {
  acknowledged: true
  insertedId: Id
}

/** Reports the inserts of several documents, as MongoDB's driver does. */
export interface InsertManyResult {
  acknowledged: true
  insertedCount: number
  /** The `_id` by the document's place in the list. */
  insertedIds: Record<number, Id>
}

/** Reports an update or a replacement, as MongoDB's driver does. */
export interface UpdateResult {
  acknowledged: true
  matchedCount: number
  /** How many of them became different by the update. */
  modifiedCount: number
  upsertedCount: 0 | 1
  /** The `_id` of the document that an upsert inserted, else `null`. */
  upsertedId: Id | null
}

/** Reports a removal, as MongoDB's driver does. */
export interface DeleteResult {
  acknowledged: true
  deletedCount: number
}

/** Holds the options of `replaceOne`. */
export interface ReplaceOptions {
  /** Inserts a document if none matches. Default: false. */
  upsert?: boolean
  /** The order that decides which matching document is the first. Default: the order of insertion. */
  sort?: Sort
}

/** Options of `findOneAndDelete`. */
export interface FindOneOptions {
  /** The order that decides which matching document is the first. Default: the order of insertion. */
  sort?: Sort
  /** The fields to return (`{ name: 1 }`) or to leave out (`{ secret: 0 }`). Default: the whole document. */
  projection?: Record<string, unknown>
}

/** Options of `findOneAndReplace`, and of `findOneAndUpdate` beside `arrayFilters`. */
export interface FindOneAndReplaceOptions extends FindOneOptions, ReplaceOptions {
  /** The returned document: before or after the change. Default: `'before'`. */
  returnDocument?: 'before' | 'after'
}

/** Holds the options of `findOneAndUpdate`. */
export interface FindOneAndUpdateOptions extends FindOneAndReplaceOptions, UpdateOptions {}

/** Describes one write of `bulkWrite`, as the driver takes it. */
export type BulkOperation<T> =
  | { insertOne: { document: Insertable<T> } }
  | { updateOne: { filter: Query; update: object } & UpdateOptions }
  | { updateMany: { filter: Query; update: object } & UpdateOptions }
  | { replaceOne: { filter: Query; replacement: object } & ReplaceOptions }
  | { deleteOne: { filter: Query } }
  | { deleteMany: { filter: Query } }

/** Counts the writes of `bulkWrite`. Lists the `_id`s by the operation's index. */
export interface BulkWriteResult {
  ok: 1
  insertedCount: number
  matchedCount: number
  modifiedCount: number
  deletedCount: number
  upsertedCount: number
  insertedIds: Record<number, Id>
  upsertedIds: Record<number, Id>
}

/** Holds the options of `updateOne` and `updateMany`. */
export interface UpdateOptions extends ReplaceOptions {
  /** Queries such as `{ 'name.done': false }`, one for each `$[name]` in the update. */
  arrayFilters?: Record<string, unknown>[]
}

/** Describes a document to insert, with or without an `_id`. */
export type Insertable<T> = Document extends T
  ? object
  : T extends unknown
    ? Omit<T, '_id'> & (T extends { _id?: infer Id } ? { _id?: Id } : { _id?: unknown })
    : never

/** Describes a stored document in its JSON form, with its `_id`. */
export type Stored<T> = Document extends T ? Document : Visible<T, true>

export function updateResult(matchedCount: number, modifiedCount: number): UpdateResult {
  return { acknowledged: true, matchedCount, modifiedCount, upsertedCount: 0, upsertedId: null }
}
