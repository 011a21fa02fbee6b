import type { Document, Id } from '../../lib/model/document.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { ReadAhead } from '../support/ahead.ts'
import { COLLECTION, type StoreName } from './roots.ts'
import { inMemory, type Setting, type Way, type Writable } from './setting.ts'

/** After so many turns of the event loop the end of a document is told that has vanished. */
const LATENESS = 15

/** `memory()` whose documents vanish from readings before their end is told: until then, or the next write. */
export const inMemoryReadAhead: Setting = {
  ...inMemory,
  name: 'memory() that reads ahead',
  async open(history) {
    const stores = { first: new AheadStore(history), second: new AheadStore(history) }
    const way: Way = { adapter: (store) => stores[store].adapter, close: async () => {} }
    return { way: () => way, collection: (store: StoreName) => stores[store], close: async () => {} }
  },
}

/** One store: what `deleteOne` removes is gone at once for all who read, and for those who follow a little later. */
class AheadStore implements Writable {
  readonly adapter: ReadAhead
  readonly #collection: Writable
  #vanished: Id | undefined

  constructor(history: number) {
    const adapter = memory({ history })
    this.adapter = new ReadAhead(adapter)
    this.#collection = adapter.collection(COLLECTION)
  }

  async deleteOne(query: { _id: Id }): Promise<void> {
    await this.#tell()
    const { _id } = query
    this.#vanished = _id
    this.adapter.vanish(_id)
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
      toArray: async (): Promise<Document[]> => this.adapter.left(await this.#collection.find().toArray()),
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
    this.adapter.appear(id)
    await deleted
  }
}
