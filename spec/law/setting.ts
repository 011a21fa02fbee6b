import type { Document } from '../../lib/model/document.ts'
import type { Query } from '../../lib/policy/query.ts'
import { memory } from '../../lib/source/memory/index.ts'
import type { Adapter } from '../../lib/source/source.ts'
import { CALLBACK_ROOTS, COLLECTION, ROOTS, type Roots, type StoreName } from './roots.ts'
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

/** Makes one write, by the collection that it is given. */
export type Run = (collection: Writable) => Promise<unknown>

/** One process's own way to the stores. */
export interface Way {
  adapter(store: StoreName): Adapter
  /**
   * What follows the store for this process breaks off, and the adapter must go on by itself: from where it was, or, where the history is `lost`, from
   * now. It does so after so many `events` more, where the setting can tell. Left out where nothing can break off.
   */
  interrupt?(store: StoreName, lost: boolean, events: number): void
  /** Called when the process has ended. */
  close(): Promise<void>
}

/** Two empty stores, as one run has them. */
export interface Stores {
  /** A way for a process that starts: always the same one where stores lie in this process, else one that shares nothing with the others. */
  way(): Way
  /** A store's one collection, {@link COLLECTION}, as whoever writes has it. */
  collection(store: StoreName): Writable
  /** Makes writes in one transaction, all of them or none, or as many as succeed. Left out where the source has no transactions. */
  readonly transact?: (store: StoreName, runs: readonly Run[]) => Promise<void>
  close(): Promise<void>
}

/** The source that the law is tried on. */
export interface Setting {
  /** For the report of what happened. */
  name: string
  /** What servers show of it. */
  roots: Roots
  time(): Time
  /** `history` is how many changes a store keeps for those who were away, where it can be told to. */
  open(history: number): Promise<Stores>
  /** How many turns nothing must happen for a point to be quiet, and how many are waited for that. */
  calm: number
  patience: number
  /** Nothing may happen for that long though something is under way: a model that is wrong may become right within the patience. */
  lags?: true
  /** Whether servers may report this error: what the setting itself does to the stores leads to it. */
  expects?(error: Error): boolean
}

/** `memory()`, in virtual time: nothing is waited for, and a run can be repeated exactly. */
export const inMemory: Setting = {
  name: 'memory()',
  roots: ROOTS,
  time: virtualTime,
  calm: 40,
  patience: 400,
  async open(history) {
    const stores = { first: memory({ history }), second: memory({ history }) }
    const way: Way = { adapter: (store) => stores[store], close: async () => {} }
    return {
      way: () => way,
      collection: (store) => stores[store].collection(COLLECTION),
      transact: async (store, runs) => {
        const collection = stores[store].collection(COLLECTION)
        await Promise.allSettled(stores[store].transact(() => runs.map((run) => run(collection))))
      },
      close: async () => {},
    }
  },
}

/** An application that keeps its own data, and tells of them by callbacks alone. A client that is ready may wait a while for a payload that is read again. */
export const inCallbacks: Setting = { ...inMemory, name: 'callbacks', roots: CALLBACK_ROOTS, calm: 40 }
