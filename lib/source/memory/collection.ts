import { diff } from '../../model/diff.ts'
import type { Document, Id, Json } from '../../model/document.ts'
import { Order } from '../../policy/order.ts'
import type { Adapter, CollectionHandle, DocumentChange, Query } from '../source.ts'
import { bulkWrite } from './bulk.ts'
import { update as updated } from './change.ts'
import { type FindOptions, MemoryCursor, type Sort, sorted, sortKeys } from './cursor.ts'
import { distinct } from './distinct.ts'
import type { Unplaced } from './feed.ts'
import { documentOf, identified, prepare, upserted } from './insertion.ts'
import { parseFilters } from './positional.ts'
import { projector } from './projection.ts'
import { equalities } from './query.ts'
import {
  type BulkOperation,
  type BulkWriteResult,
  type DeleteResult,
  type FindOneAndReplaceOptions,
  type FindOneAndUpdateOptions,
  type FindOneOptions,
  type Insertable,
  type InsertManyResult,
  type InsertOneResult,
  type ReplaceOptions,
  type Stored,
  type UpdateOptions,
  type UpdateResult,
  updateResult,
} from './results.ts'
import type { Store } from './store.ts'
import { checkReplacement, invalid, parseUpdate } from './update.ts'
import { copy, same } from './value.ts'

/**
 * Represents a collection in memory, with the methods and results of the MongoDB driver's `Collection`.
 *
 * Converts values to JSON on the way in, as `JSON.stringify` would: dates become ISO 8601 strings, ObjectIds
 * their hex, `undefined` is dropped. Returns copies, which belong to the caller. All methods reject rather
 * than throw. A rejected write changed nothing, except that the `...Many` methods keep the writes before the
 * failure, as MongoDB does.
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
   * Inserts a document. A document without `_id` gets one of 24 hex digits, also in the passed object, as
   * with the driver.
   */
  async insertOne(document: Insertable<T>): Promise<InsertOneResult> {
    const change = this.#insert(prepare(document))
    this.#report([change])
    return { acknowledged: true, insertedId: copy(change.id) }
  }

  /**
   * Inserts documents in order up to the first failure. With `ordered: false`, inserts all documents that can
   * be inserted.
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

  /** Replaces the first matching document, except its `_id`. */
  async replaceOne(query: Query, replacement: object, options: ReplaceOptions = {}): Promise<UpdateResult> {
    checkReplacement(replacement)
    const content = documentOf(replacement)
    const [before] = this.#find(query, 1, options.sort)
    if (!before) {
      if (!options.upsert) return updateResult(0, 0)
      const fixed = equalities(query).find(([path]) => path === '_id')?.[1]
      return this.#upsert(identified({ ...content, ...(fixed === undefined ? {} : { _id: fixed }) }, content))
    }
    const id = before._id ?? null
    const document = identified({ ...content, _id: copy(id) }, content)
    if (same(before as Json, document as Json)) return updateResult(1, 0)
    this.#store.put(document)
    const differences = diff(before, document).map((operation) => copyOf(operation))
    // Sets the whole document if only the order of its fields differs, which a path can't say.
    const isWhole = differences.length === 0 || differences.some(({ path }) => path === '.')
    const operations = isWhole ? [whole(document)] : differences
    const kind = isWhole ? 'replace' : 'update'
    this.#report([{ ...this.#unplaced, kind, id, operations, document, before }])
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

  /** Applies an update document to the first document that matches, and gives that document, or `null`. */
  async findOneAndUpdate(
    query: Query,
    update: object,
    options: FindOneAndUpdateOptions = {},
  ): Promise<Stored<T> | null> {
    return this.#findOneAnd(query, options, () => this.updateOne(query, update, options))
  }

  /** Replaces the first matching document, except its `_id`, and returns the document, or `null`. */
  async findOneAndReplace(
    query: Query,
    replacement: object,
    options: FindOneAndReplaceOptions = {},
  ): Promise<Stored<T> | null> {
    return this.#findOneAnd(query, options, () => this.replaceOne(query, replacement, options))
  }

  /** Deletes the first matching document and returns it, or `null`. */
  async findOneAndDelete(query: Query, options: FindOneOptions = {}): Promise<Stored<T> | null> {
    return this.#findOneAnd(query, options, async () => this.#delete(query, 1, options.sort))
  }

  /**
   * Performs several writes in order up to the first failure. With `ordered: false`, performs all writes that
   * can be done. Writes before a failure stay.
   */
  async bulkWrite(
    operations: readonly BulkOperation<T>[],
    options: { ordered?: boolean } = {},
  ): Promise<BulkWriteResult> {
    return bulkWrite(this, operations, options)
  }

  /** Returns the first matching document, or `null`. */
  async findOne(
    query: Query = {},
    options: Pick<FindOptions, 'projection' | 'sort' | 'skip'> = {},
  ): Promise<Stored<T> | null> {
    return this.find(query, { ...options, limit: 1 }).next()
  }

  /**
   * Finds the matching documents: `await find(...).toArray()`, or `for await`. Reads the documents at the
   * first use of the cursor.
   */
  find(query: Query = {}, options: FindOptions = {}): MemoryCursor<Stored<T>> {
    return new MemoryCursor<Stored<T>>(() => this.#store.find(query), options)
  }

  /** Counts the matching documents after `skip`, up to `limit`. */
  async countDocuments(
    query: Query = {},
    options: Pick<FindOptions, 'skip' | 'limit'> = {},
  ): Promise<number> {
    return (await this.find(query, options).toArray()).length
  }

  /** Counts all documents. */
  async estimatedDocumentCount(): Promise<number> {
    return this.#store.size
  }

  /**
   * Lists the distinct values of a field in the matching documents. The elements of an array count as values.
   */
  async distinct(field: string, query: Query = {}): Promise<Json[]> {
    return distinct(field, this.#store.find(query))
  }

  /** Removes the collection with all its documents. */
  async drop(): Promise<boolean> {
    if (this.#store.size > 0) {
      this.#store.clear()
      this.#report([{ ...this.#unplaced, kind: 'clear' }])
    }
    return true
  }

  /** The fields that all changes of the collection share before the feed places them. */
  get #unplaced(): { collection: string; position: string; timestamp: string } {
    return { collection: this.collectionName, position: '', timestamp: '' }
  }

  #find(query: Query, limit: number, sort: Sort | undefined): Document[] {
    const keys = sort === undefined ? [] : sortKeys(sort)
    if (keys.length === 0) return this.#store.find(query, limit)
    return sorted(this.#store.find(query), new Order(keys)).slice(0, limit)
  }

  async #findOneAnd(
    query: Query,
    { sort, projection, returnDocument = 'before' }: FindOneAndReplaceOptions,
    write: () => Promise<DeleteResult | UpdateResult>,
  ): Promise<Stored<T> | null> {
    if (returnDocument !== 'before' && returnDocument !== 'after')
      throw invalid("returnDocument must be 'before' or 'after'.")
    const isWhole = projection === undefined || Object.keys(projection).length === 0
    const shown = isWhole ? copy<Document> : projector(projection)
    const [before] = this.#find(query, 1, sort)
    const result = await write()
    const id = before?._id ?? ('upsertedId' in result ? result.upsertedId : undefined)
    const after =
      returnDocument === 'after' && id !== undefined && id !== null ? this.#store.get(id) : undefined
    const found = returnDocument === 'after' ? after : before
    return found === undefined ? null : (copy(shown(found)) as Stored<T>)
  }

  #update(query: Query, update: object, options: UpdateOptions, limit: number): UpdateResult {
    const steps = parseUpdate(update)
    const filters = parseFilters(
      options.arrayFilters,
      steps.map(({ segments }) => segments),
    )
    const positions = { query, filters }
    const found = this.#find(query, limit, options.sort)
    if (found.length === 0 && options.upsert) return this.#upsert(upserted(query, steps, positions))
    const applied = steps.filter(({ onInsert }) => !onInsert)
    let modified = 0
    this.#batch((report) => {
      for (const before of found) {
        const { document, operations } = updated(before, applied, positions)
        if (operations.length === 0) continue
        const id = before._id ?? null
        this.#store.put(document)
        report({
          kind: 'update',
          collection: this.collectionName,
          id,
          operations,
          document,
          before,
          position: '',
          timestamp: '',
        })
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

  #insert(document: Document): DocumentChange {
    const id = document._id ?? null
    this.#store.insert(document)
    return { ...this.#unplaced, kind: 'insert', id, operations: [whole(document)], document }
  }

  #delete(query: Query, limit: number, sort?: Sort): DeleteResult {
    const found = this.#find(query, limit, sort)
    for (const document of found) this.#store.remove(document)
    this.#report(
      found.map((before) => ({
        ...this.#unplaced,
        kind: 'delete',
        id: before._id ?? null,
        operations: [{ operation: 'unset', path: '.' }],
        before,
      })),
    )
    return { acknowledged: true, deletedCount: found.length }
  }

  // Reports the writes before a failure too, because they stay.
  #batch(work: (report: (change: Unplaced) => void) => void): void {
    const changes: Unplaced[] = []
    try {
      work((change) => changes.push(change))
    } finally {
      this.#report(changes)
    }
  }
}

function whole(document: Document): { operation: 'set'; path: '.'; data: Json } {
  return { operation: 'set', path: '.', data: copy(document) as Json }
}

function copyOf<T extends { data?: Json }>(operation: T): T {
  return operation.data === undefined ? operation : { ...operation, data: copy(operation.data) }
}
