import type { Db } from 'mongodb'
import { ParticleError } from '../../errors.ts'
import type { Id } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { isObject } from '../../model/json.ts'
import { bsonToJson, bsonType } from './bson.ts'
import { READ_OPTIONS } from './read-options.ts'
import { idCandidates } from './value.ts'

/**
 * Finds documents of one collection whose `_id`s differ in BSON only, for example an ObjectId and its text:
 * in JSON they are one id, and clients would mix the two documents. Searches only collections with ids of
 * several such types.
 */
export class IdKinds {
  readonly #db: Db
  readonly #warn: (error: ParticleError) => void
  /** The types of ids that are texts in JSON, or objects, by collection: two of each at most. */
  readonly #kinds = new Map<string, { texts: Set<string>; objects: Set<string> }>()
  readonly #searched = new Set<string>()
  readonly #told = new Set<string>()

  constructor(db: Db, warn: (error: ParticleError) => void) {
    this.#db = db
    this.#warn = warn
  }

  /** Notes the type of an id. Returns true if the collection has ids of several types. */
  note(collection: string, id: unknown): boolean {
    const kinds = this.#kinds.get(collection) ?? { texts: new Set(), objects: new Set() }
    const kind = kindOf(id)
    if (kind !== undefined) {
      const known = kind.startsWith(OBJECT) ? kinds.objects : kinds.texts
      if (known.size < 2) known.add(kind)
      this.#kinds.set(collection, kinds)
    }
    return this.#hasSeveral(collection)
  }

  /** Searches a collection that has ids of several types, once. */
  async search(collection: string): Promise<void> {
    if (!this.#hasSeveral(collection) || this.#searched.has(collection)) return
    this.#searched.add(collection)
    await this.#compare(collection, {})
  }

  /** Searches for the documents with these ids alone. */
  async searchFor(collection: string, ids: readonly Id[]): Promise<void> {
    if (this.#told.has(collection)) return
    await this.#compare(collection, { _id: { $in: idCandidates(ids, await import('mongodb')) } })
  }

  #hasSeveral(collection: string): boolean {
    const { texts, objects } = this.#kinds.get(collection) ?? {}
    return (texts?.size ?? 0) > 1 || (objects?.size ?? 0) > 1
  }

  async #compare(collection: string, filter: object): Promise<void> {
    const options = { ...READ_OPTIONS, projection: { _id: 1 }, readPreference: 'primary' } as const
    const found = new Map<string, string>()
    for await (const { _id } of this.#db.collection(collection).find(filter, options)) {
      const kind = kindOf(_id)
      if (kind === undefined) continue
      const json = bsonToJson(_id)
      const other = found.get(idKey(json))
      if (other !== undefined) return this.#tell(collection, json, other, kind)
      found.set(idKey(json), kind)
    }
  }

  #tell(collection: string, id: Id, ...kinds: string[]): void {
    if (this.#told.has(collection)) return
    this.#told.add(collection)
    const named = kinds.map((kind) => `${kind} ${JSON.stringify(id)}`).join(' and the ')
    this.#warn(
      new ParticleError(
        'MISCONFIGURED',
        `The collection ${collection} has two documents with the same _id in JSON: the ${named}. Clients ` +
          'mix the two documents. Use one type for all _ids of a collection',
      ),
    )
  }
}

const OBJECT = 'Object {'

/**
 * Returns the type of an id that is a text in JSON, and of an object the types of its fields in their order,
 * which JSON ids do not distinguish; `undefined` for other ids.
 */
function kindOf(id: unknown): string | undefined {
  if (typeof id === 'string') return 'String'
  if (typeof id !== 'object' && typeof id !== 'bigint') return undefined
  const json = bsonToJson(id)
  const type = id instanceof Date ? 'Date' : bsonType(id)
  if (typeof json === 'string') return type ?? 'value'
  if (type !== undefined || !isObject(json) || !isObject(id)) return undefined
  const fields = Object.entries(id).map(([name, value]) => `${name}: ${kindOf(value) ?? typeof value}`)
  return `${OBJECT} ${fields.join(', ')} }`
}
