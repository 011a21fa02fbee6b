import { ParticleError } from '../../errors.ts'
import type { Document, Id } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { equalitiesOf } from '../../policy/equality.ts'
import type { Query } from '../source.ts'
import { inOrder, type Place } from './field-index.ts'
import { Indexes } from './indexes.ts'
import { compile, queriedId } from './query.ts'

/**
 * Stores the documents of one collection, in the order of insertion. A document is never changed: an update
 * replaces the whole object.
 */
export class Store {
  readonly #places = new Map<string, Place>()
  readonly #indexes = new Indexes()
  #inserted = 0

  get size(): number {
    return this.#places.size
  }

  /** Returns the document with this id. */
  get(id: Id): Document | undefined {
    return this.#places.get(idKey(id))?.document
  }

  /** Finds the matching documents, at most `limit`. Finds a document by its `_id` without a scan. */
  find(query: Query, limit = Number.POSITIVE_INFINITY): Document[] {
    const only = soleId(query)
    if (only !== undefined) {
      const document = limit > 0 ? this.get(only) : undefined
      return document ? [document] : []
    }
    const matches = compile(query)
    const found: Document[] = []
    for (const { document } of this.#candidates(query)) {
      if (found.length >= limit) break
      if (matches(document)) found.push(document)
    }
    return found
  }

  /**
   * Returns the documents that may match, according to the indexes, in the order of insertion. The query must
   * compile.
   */
  candidates(query: Query): Document[] {
    const documents: Document[] = []
    for (const { document } of this.#candidates(query)) documents.push(document)
    return documents
  }

  /** Adds a document. Throws `DUPLICATE_KEY`. */
  insert(document: Document): void {
    const key = keyOf(document)
    if (this.#places.has(key)) {
      throw new ParticleError('DUPLICATE_KEY', `There is a document with the _id ${key} already.`)
    }
    const place = { document, rank: this.#inserted++ }
    this.#places.set(key, place)
    this.#indexes.add(place)
  }

  /** Replaces the document with the same id. */
  put(document: Document): void {
    const place = this.#places.get(keyOf(document))
    if (place) this.#indexes.put(place, document)
  }

  remove(document: Document): void {
    const key = keyOf(document)
    const place = this.#places.get(key)
    if (!place) return
    this.#places.delete(key)
    this.#indexes.delete(place)
  }

  clear(): void {
    this.#places.clear()
    this.#indexes.clear()
  }

  #candidates(query: Query): Iterable<Place> {
    const id = queriedId(query)
    if (id !== undefined) return this.#placesOf([id])
    const wanted = equalitiesOf(query)
    const ids = wanted.get('_id')
    if (ids) return inOrder(this.#placesOf(ids))
    return this.#indexes.find(wanted, this.#places) ?? this.#places.values()
  }

  #placesOf(ids: readonly Id[]): Set<Place> {
    const places = ids.map((id) => this.#places.get(idKey(id))).filter((place) => place !== undefined)
    return new Set(places)
  }
}

/**
 * Returns the `_id` of a query for nothing but a plain `_id`. Compiling this most common query would cost
 * more than the rest of the lookup.
 */
function soleId(query: Query): string | number | undefined {
  const { _id } = Object(query) as Query
  const plain = typeof _id === 'string' || (typeof _id === 'number' && Number.isFinite(_id))
  return plain && Object.keys(query).length === 1 ? _id : undefined
}

function keyOf(document: Document): string {
  return idKey(document._id ?? null)
}
