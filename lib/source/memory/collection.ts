import type { Document, Id, Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { Visible } from '../../model/shape.ts'
import type { Adapter, CollectionHandle, Query } from '../source.ts'
import { update as updated } from './change.ts'
import { type FindOptions, MemoryCursor } from './cursor.ts'
import type { Unplaced } from './feed.ts'
import { documentOf, identified, prepare, upserted } from './insertion.ts'
import { parseFilters } from './positional.ts'
import { equalities } from './query.ts'
import type { Store } from './store.ts'
import { checkReplacement, invalid, parseUpdate } from './update.ts'
import { copy, same } from './value.ts'

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

export interface ReplaceOptions {
  /** Whether to insert a document where none matches. Default: false. */
  upsert?: boolean
}

export interface UpdateOptions extends ReplaceOptions {
  /** For each `$[name]` in the update, a query such as `{ 'name.done': false }`. */
  arrayFilters?: Record<string, unknown>[]
}

/** A document as it can be inserted: its `_id` may be left out. */
export type Insertable<T> = Document extends T
  ? object
  : T extends unknown
    ? Omit<T, '_id'> & (T extends { _id?: infer Id } ? { _id?: Id } : { _id?: unknown })
    : never

/** A document as it comes out: in its JSON form, with its `_id`. */
export type Stored<T> = Document extends T ? Document : Visible<T, true>

/**
 * A collection in memory, with the methods and results of the MongoDB driver's `Collection`.
 *
 * Values are turned into JSON on their way in, as `JSON.stringify` would: dates become ISO 8601 strings,
 * ObjectIds their hex, `undefined` goes. What comes out are copies, which are the caller's own. All methods
 * reject rather than throw; a write that rejects changed nothing, except that the `...Many` methods keep what
 * they did before the document that failed, as MongoDB does.
 *
 * Errors: `INVALID_QUERY`, `INVALID_OPERATION`, `INVALID_PATH`, `DUPLICATE_KEY`.
 */
export class MemoryCollection<T extends object = Document> implements CollectionHandle<T> {
  declare readonly $document?: T
  readonly adapter: Adapter
  readonly collectionName: string
  readonly #store: Store
  readonly #report: (changes: readonly Unplaced[]) => void

  /** Use `adapter.collection(name)`. */
  constructor(adapter: Adapter, name: string, store: Store, report: (changes: readonly Unplaced[]) => void) {
    this.adapter = adapter
    this.collectionName = name
    this.#store = store
    this.#report = report
  }

  /**
   * Inserts a document. One without `_id` is given one: 24 hex digits, also in the object that was passed, as
   * the driver does.
   */
  async insertOne(document: Insertable<T>): Promise<InsertOneResult> {
    const change = this.#insert(prepare(document))
    this.#report([change])
    return { acknowledged: true, insertedId: copy(change.id) }
  }

  /**
   * Inserts documents in order up to the first that fails; with `ordered: false`, all that can be inserted.
   */
  async insertMany(
    documents: readonly Insertable<T>[],
    { ordered = true }: { ordered?: boolean } = {},
  ): Promise<InsertManyResult> {
    if (!Array.isArray(documents)) throw invalid('insertMany needs an array of documents.')
    const prepared = documents.map(prepare)
    const insertedIds: Record<number, Id> = {}
    const failures: unknown[] = []
    this.#batch((report) => {
      for (const [index, document] of prepared.entries()) {
        try {
          const change = this.#insert(document)
          report(change)
          insertedIds[index] = copy(change.id)
        } catch (error) {
          failures.push(error)
          if (ordered) return
        }
      }
    })
    if (failures.length > 0) throw failures[0]
    return { acknowledged: true, insertedCount: prepared.length, insertedIds }
  }

  /** Applies an update document to the first document that matches. */
  async updateOne(query: Query, update: object, options: UpdateOptions = {}): Promise<UpdateResult> {
    return this.#update(query, update, options, 1)
  }

  /** Applies an update document to all documents that match. */
  async updateMany(query: Query, update: object, options: UpdateOptions = {}): Promise<UpdateResult> {
    return this.#update(query, update, options, Number.POSITIVE_INFINITY)
  }

  /** Replaces the first document that matches, all but its `_id`. */
  async replaceOne(query: Query, replacement: object, options: ReplaceOptions = {}): Promise<UpdateResult> {
    checkReplacement(replacement)
    const content = documentOf(replacement)
    const [before] = this.#store.find(query, 1)
    if (!before) {
      if (!options.upsert) return updateResult(0, 0)
      const fixed = equalities(query).find(([path]) => path === '_id')?.[1]
      return this.#upsert(identified({ ...content, ...(fixed === undefined ? {} : { _id: fixed }) }, content))
    }
    const id = before._id ?? null
    const { _id = id, ...fields } = content
    if (idKey(_id) !== idKey(id)) throw invalid("A replacement can't change `_id`.")
    const document: Document = { _id: copy(id), ...fields }
    if (same(before as Json, document as Json)) return updateResult(1, 0)
    this.#store.put(document)
    this.#report([
      {
        kind: 'replace',
        collection: this.collectionName,
        id,
        operations: [whole(document)],
        document,
        before,
      },
    ])
    return updateResult(1, 1)
  }

  /** Deletes the first document that matches. */
  async deleteOne(query: Query): Promise<DeleteResult> {
    return this.#delete(query, 1)
  }

  /** Deletes all documents that match. */
  async deleteMany(query: Query): Promise<DeleteResult> {
    return this.#delete(query, Number.POSITIVE_INFINITY)
  }

  /** The first document that matches, or `null`. */
  async findOne(
    query: Query = {},
    options: Pick<FindOptions, 'projection' | 'sort' | 'skip'> = {},
  ): Promise<Stored<T> | null> {
    return this.find(query, { ...options, limit: 1 }).next()
  }

  /**
   * The documents that match: `await find(...).toArray()`, or `for await`. They are read when they are first
   * asked for.
   */
  find(query: Query = {}, options: FindOptions = {}): MemoryCursor<Stored<T>> {
    return new MemoryCursor<Stored<T>>(() => this.#store.find(query), options)
  }

  /** How many documents match. */
  async countDocuments(query: Query = {}): Promise<number> {
    return this.#store.find(query).length
  }

  /** Removes the collection with all its documents. */
  async drop(): Promise<boolean> {
    if (this.#store.size > 0) {
      this.#store.clear()
      this.#report([{ kind: 'clear', collection: this.collectionName }])
    }
    return true
  }

  #update(query: Query, update: object, options: UpdateOptions, limit: number): UpdateResult {
    const steps = parseUpdate(update)
    const filters = parseFilters(
      options.arrayFilters,
      steps.map(({ segments }) => segments),
    )
    const positions = { query, filters }
    const found = this.#store.find(query, limit)
    if (found.length === 0 && options.upsert) return this.#upsert(upserted(query, steps, positions))
    const applied = steps.filter(({ onInsert }) => !onInsert)
    let modified = 0
    this.#batch((report) => {
      for (const before of found) {
        const { document, operations } = updated(before, applied, positions)
        if (operations.length === 0) continue
        const id = before._id ?? null
        this.#store.put(document)
        report({ kind: 'update', collection: this.collectionName, id, operations, document, before })
        modified++
      }
    })
    return updateResult(found.length, modified)
  }

  #upsert(document: Document): UpdateResult {
    const change = this.#insert(document)
    this.#report([change])
    return { ...updateResult(0, 0), upsertedCount: 1, upsertedId: copy(change.id) }
  }

  #insert(document: Document): Unplaced & { id: Id } {
    const id = document._id ?? null
    this.#store.insert(document)
    return { kind: 'insert', collection: this.collectionName, id, operations: [whole(document)], document }
  }

  #delete(query: Query, limit: number): DeleteResult {
    const found = this.#store.find(query, limit)
    for (const document of found) this.#store.remove(document)
    this.#report(
      found.map((before) => ({
        kind: 'delete',
        collection: this.collectionName,
        id: before._id ?? null,
        operations: [{ operation: 'unset', path: '.' }],
        before,
      })),
    )
    return { acknowledged: true, deletedCount: found.length }
  }

  // What was done before a failure stays done, so it must be reported too.
  #batch(work: (report: (change: Unplaced) => void) => void): void {
    const changes: Unplaced[] = []
    try {
      work((change) => changes.push(change))
    } finally {
      this.#report(changes)
    }
  }
}

function updateResult(matchedCount: number, modifiedCount: number): UpdateResult {
  return { acknowledged: true, matchedCount, modifiedCount, upsertedCount: 0, upsertedId: null }
}

function whole(document: Document): { operation: 'set'; path: '.'; data: Json } {
  return { operation: 'set', path: '.', data: copy(document) as Json }
}
