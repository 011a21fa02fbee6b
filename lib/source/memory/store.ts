import { ParticleError } from '../../errors.ts'
import type { Document, Id } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { Query } from '../source.ts'
import { compile, queriedId } from './query.ts'

/** The documents of one collection, in the order of insertion. A document is never changed: an update puts another one in its place. */
export class Store {
  readonly #documents = new Map<string, Document>()

  get size(): number {
    return this.#documents.size
  }

  /** The document with this id. */
  get(id: Id): Document | undefined {
    return this.#documents.get(idKey(id))
  }

  /** The documents that match, at most `limit`. One that is asked for by its `_id` is found without a scan. */
  find(query: Query, limit = Number.POSITIVE_INFINITY): Document[] {
    const only = soleId(query)
    if (only !== undefined) {
      const document = limit > 0 ? this.get(only) : undefined
      return document ? [document] : []
    }
    const matches = compile(query)
    const found: Document[] = []
    for (const document of this.candidates(query)) {
      if (found.length >= limit) break
      if (matches(document)) found.push(document)
    }
    return found
  }

  /** The documents that may match, as far as `_id` tells. */
  candidates(query: Query): Iterable<Document> {
    const id = queriedId(query)
    if (id === undefined) return this.#documents.values()
    const document = this.get(id)
    return document ? [document] : []
  }

  /** Adds a document. Throws `DUPLICATE_KEY`. */
  insert(document: Document): void {
    const key = keyOf(document)
    if (this.#documents.has(key)) {
      throw new ParticleError('DUPLICATE_KEY', `There is a document with the _id ${key} already.`)
    }
    this.#documents.set(key, document)
  }

  /** Puts a document in the place of the one with its id. */
  put(document: Document): void {
    this.#documents.set(keyOf(document), document)
  }

  remove(document: Document): void {
    this.#documents.delete(keyOf(document))
  }

  clear(): void {
    this.#documents.clear()
  }
}

/** The `_id` of a query for nothing else, where it is a plain value: the commonest query, and compiling costs more than all the rest of it. */
function soleId(query: Query): string | number | undefined {
  const { _id } = query
  const plain = typeof _id === 'string' || (typeof _id === 'number' && Number.isFinite(_id))
  return plain && Object.keys(query).length === 1 ? _id : undefined
}

function keyOf(document: Document): string {
  return idKey(document._id ?? null)
}
