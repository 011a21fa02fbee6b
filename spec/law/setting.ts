import type { Document } from '../../lib/model/document.ts'
import type { Query } from '../../lib/policy/query.ts'
import { memory } from '../../lib/source/memory/index.ts'
import type { Adapter } from '../../lib/source/source.ts'
import { COLLECTION, type StoreName } from './roots.ts'
import { type Time, virtualTime } from './time.ts'

/** What the steps write by: the methods of the MongoDB driver's collection. */
export interface Writable {
  insertOne(document: object): Promise<unknown>
  insertMany(documents: object[]): Promise<unknown>
  updateOne(query: Query, update: object): Promise<unknown>
  updateMany(query: Query, update: object): Promise<unknown>
  replaceOne(query: Query, document: object): Promise<unknown>
  deleteOne(query: Query): Promise<unknown>
  deleteMany(query: Query): Promise<unknown>
  drop(): Promise<unknown>
  find(): { toArray(): Promise<Document[]> }
}

/** Two empty stores, as one run has them. */
export interface Stores {
  /** The adapter of a store for one node: the same object for all, or each its own where nodes are processes. */
  adapter(store: StoreName): Adapter
  /** Its one collection, {@link COLLECTION}. */
  collection(store: StoreName): Writable
  close(): Promise<void>
}

/** The source that the law is tried on. */
export interface Setting {
  name: string
  time(): Time
  /** `history` is how many changes a store keeps for those who were away, where it can be told to. */
  open(history: number): Promise<Stores>
  /** How many turns nothing must happen for a point to be quiet, and how many are waited for that. */
  calm: number
  patience: number
}

/** `memory()`, in virtual time: nothing is waited for, and a run can be repeated exactly. */
export const inMemory: Setting = {
  name: 'memory()',
  time: virtualTime,
  calm: 4,
  patience: 400,
  async open(history) {
    const stores = { first: memory({ history }), second: memory({ history }) }
    return {
      adapter: (store) => stores[store],
      collection: (store) => stores[store].collection(COLLECTION),
      close: async () => {},
    }
  },
}
