import type { Document, Id } from '../../lib/model/document.ts'
import { type MemoryAdapter, memory } from '../../lib/source/memory/index.ts'
import { ReadAhead } from '../support/ahead.ts'
import { COLLECTION, type StoreName } from './roots.ts'
import { inMemory, type Setting, type Way, type Writable } from './setting.ts'

/** After so many turns of the event loop the end of a document is told that has vanished. */
const LATENESS = 15

/**
 * `memory()` whose documents vanish from readings before their end is told: until then, or the next write. As with keyspace
 * notifications, positions hold for one process alone.
 */
export const inMemoryReadAhead: Setting = {
  ...inMemory,
  name: 'memory() that reads ahead',
  async open(history) {
    const stores = { first: new AheadStore(history), second: new AheadStore(history) }
    const way = (): Way => {
      const adapters = { first: stores.first.follow(), second: stores.second.follow() }
      return { adapter: (store) => adapters[store], close: async () => {} }
    }
    return { way, collection: (store: StoreName) => stores[store], close: async () => {} }
  },
}

/** One store: what `deleteOne` removes is gone at once for all who read, and for those who follow a little later. */
class AheadStore implements Writable {
  readonly #adapter: MemoryAdapter
  readonly #collection: Writable
  readonly #ways: ReadAhead[] = []
  #vanished: Id | undefined

  constructor(history: number) {
    this.#adapter = memory({ history })
    this.#collection = this.#adapter.collection(COLLECTION)
  }

  /** One process's own way to it. */
  follow(): ReadAhead {
    const way = new ReadAhead(this.#adapter, `way ${this.#ways.length}`)
    if (this.#vanished !== undefined) way.vanish(this.#vanished)
    this.#ways.push(way)
    return way
  }

  async deleteOne(query: { _id: Id }): Promise<void> {
    await this.#tell()
    const { _id } = query
    this.#vanished = _id
    for (const way of this.#ways) way.vanish(_id)
    void this.#tellLater(_id)
  }

  insertOne = (document: object) => this.#after(() => this.#collection.insertOne(document))
  insertMany = (documents: object[]) => this.#after(() => this.#collection.insertMany(documents))
  updateOne: Writable['updateOne'] = (query, update) =>
    this.#after(() => this.#collection.updateOne(query, update))
  updateMany: Writable['updateMany'] = (query, update) =>
    this.#after(() => this.#collection.updateMany(query, update))
  replaceOne: Writable['replaceOne'] = (query, document) =>
    this.#after(() => this.#collection.replaceOne(query, document))
  deleteMany: Writable['deleteMany'] = (query) => this.#after(() => this.#collection.deleteMany(query))
  drop = () => this.#after(() => this.#collection.drop())

  find() {
    return {
      toArray: async (): Promise<Document[]> =>
        (await this.#collection.find().toArray()).filter(({ _id }) => _id !== this.#vanished),
    }
  }

  async #after<T>(write: () => Promise<T>): Promise<T> {
    await this.#tell()
    return await write()
  }

  async #tellLater(id: Id): Promise<void> {
    for (let turn = 0; turn < LATENESS; turn++) await new Promise((resolve) => setImmediate(resolve))
    if (this.#vanished === id) await this.#tell()
  }

  async #tell(): Promise<void> {
    const id = this.#vanished
    if (id === undefined) return
    this.#vanished = undefined
    const deleted = this.#collection.deleteOne({ _id: id })
    for (const way of this.#ways) way.appear(id)
    await deleted
  }
}
