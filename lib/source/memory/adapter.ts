import type { Document, Id } from '../../model/document.ts'
import { invalidOption, refuseUnknown, requireFunction } from '../../model/unknown.ts'
import type { Adapter, ChangeListener, EachBatch, Query, Reading, Subscription } from '../source.ts'
import { MemoryCollection } from './collection.ts'
import { checkHistory, Feed } from './feed.ts'
import { compile } from './query.ts'
import { Store } from './store.ts'

/** Tests this number of documents in one go: about a millisecond's work. */
const BATCH = 250
/**
 * Works for this number of milliseconds before other tasks get their turn, also if hardly a document matches.
 */
const SLICE = 4

/** Options of {@link memory}. */
export interface MemoryOptions {
  /** The number of changes that are kept for clients that were away for a moment. Default: 1000. */
  history?: number
}

interface Entry {
  store: Store
  collection: MemoryCollection
}

/**
 * Keeps collections in this process's memory: the embedded default, for development, tests and data that may
 * end with the process.
 */
export class MemoryAdapter implements Adapter {
  readonly name = 'memory'
  readonly inProcess = true
  readonly #feed: Feed
  readonly #collections = new Map<string, Entry>()

  /** Use `memory(options)`. */
  constructor(options: MemoryOptions = {}) {
    refuseUnknown('memory(options): option', options, ['history'])
    this.#feed = new Feed(checkHistory(options.history ?? 1000))
  }

  /**
   * Returns the collection of this name: always the same object for the same name. `T` is the type of its
   * documents.
   */
  collection<T extends object = Document>(name: string): MemoryCollection<T> {
    return this.#entry(name).collection as unknown as MemoryCollection<T>
  }

  /**
   * Reports all writes that `work` starts as one transaction: clients are shown all of them at once. `work`
   * must not wait for them. A write that fails undoes no other. Throws `INVALID_OPTION` for an async
   * function.
   *
   *     await Promise.all(db.transact(() => [from.updateOne(...), to.updateOne(...)]))
   */
  transact<T>(work: () => T): T {
    requireFunction('transact(work): work', work)
    if (work.constructor.name === 'AsyncFunction') {
      throw invalidOption(
        'transact(work): work is an async function, whose writes after an await would be no part of the ' +
          'transaction: start all writes in a plain function, and await the promises that it returns',
      )
    }
    return this.#feed.transact(work)
  }

  /**
   * Reports each change to `listener` at the moment of the write, before the write's promise resolves, and
   * the changes of the history after `from` at once. Any number of listeners may be open at the same time.
   */
  async open(listener: ChangeListener, from?: string): Promise<Subscription> {
    return this.#feed.follow(listener, from)
  }

  async past(milliseconds: number): Promise<string> {
    return this.#feed.past(milliseconds)
  }

  /**
   * Compares two positions of this adapter: negative, zero or positive. Returns `NaN` for a position of
   * another adapter or an earlier process.
   */
  compare(a: string, b: string): number {
    return this.#feed.compare(a, b)
  }

  /** Reads in small batches, all as of the moment of the call. */
  async read(collection: string, query: Query, each: EachBatch): Promise<Reading> {
    const matches = compile(query)
    const position = this.#feed.position
    const timestamp = new Date().toISOString()
    const candidates = this.#collections.get(collection)?.store.candidates(query) ?? []
    let began = performance.now()
    for (let start = 0; start < candidates.length; start += BATCH) {
      const batch = candidates.slice(start, start + BATCH).filter(matches)
      if (batch.length > 0) await each(batch)
      if (performance.now() - began < SLICE) continue
      await new Promise((resolve) => setImmediate(resolve))
      began = performance.now()
    }
    return { from: position, to: position, timestamp }
  }

  async append(collection: string, document: Document): Promise<void> {
    await this.collection(collection).insertOne(document)
  }

  async discard(collection: string, ids: readonly Id[]): Promise<void> {
    await this.collection(collection).deleteMany({ _id: { $in: [...ids] } })
  }

  async lookup(collection: string, ids: readonly Id[]): Promise<Document[]> {
    const store = this.#collections.get(collection)?.store
    return ids.map((id) => store?.get(id)).filter((document) => document !== undefined)
  }

  #entry(name: string): Entry {
    const known = this.#collections.get(name)
    if (known) return known
    if (typeof name !== 'string' || name === '') {
      throw invalidOption("A collection's name must be a string that is not empty.")
    }
    const store = new Store()
    const collection = new MemoryCollection(this, name, store, (changes) => this.#feed.add(changes))
    const entry = { store, collection }
    this.#collections.set(name, entry)
    return entry
  }
}

/**
 * Creates an empty store of documents in this process's memory.
 *
 *     const db = memory()
 *     const users = db.collection('users')
 *     await users.insertOne({ name: 'Ann' })
 *
 * @throws ParticleError `INVALID_OPTION` for unknown options
 */
export function memory(options?: MemoryOptions): MemoryAdapter {
  return new MemoryAdapter(options)
}
