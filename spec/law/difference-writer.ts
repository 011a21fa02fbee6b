import { createHash } from 'node:crypto'
import type { Document, Id, Json } from '../../lib/model/document.ts'
import { idKey } from '../../lib/model/id.ts'
import { canonical } from '../../lib/model/json.ts'
import type { Query } from '../../lib/policy/query.ts'
import { memory } from '../../lib/source/memory/index.ts'
import type { Run, Writable } from './setting.ts'

/** What a write does to one document: without `before` it is inserted, without `after` deleted. */
export interface Difference {
  id: Id
  before?: Document
  after?: Document
}

/** Chooses one of a list. */
export type Choose = <T>(...items: readonly T[]) => T

/**
 * A collection of a store that knows nothing of MongoDB's updates. What a write means is found out in memory, from what the store holds; the store is then
 * told the differences, in whatever way it has. Nobody else writes meanwhile.
 */
export abstract class DifferenceWriter implements Writable {
  /** The documents' places in the order in which they came, which is that of one write's changes. */
  readonly #places = new Set<string>()

  /** All documents, read without Particle. A field that isn't there may be left out, or null. */
  protected abstract read(): Promise<Document[]>
  /** Makes the differences that one write means, in their order, in one of the ways that the store has: with `atOnce`, in one transaction. */
  protected abstract write(differences: readonly Difference[], choose: Choose, atOnce: boolean): Promise<void>
  /** Removes all documents at once. */
  protected abstract clear(choose: Choose): Promise<void>

  async insertOne(document: object): Promise<void> {
    await this.#make((scratch) => scratch.insertOne(document))
  }

  async insertMany(documents: object[]): Promise<void> {
    await this.#make((scratch) => scratch.insertMany(documents))
  }

  async updateOne(query: Query, update: object): Promise<void> {
    await this.#make((scratch) => scratch.updateOne(query, update))
  }

  async updateMany(query: Query, update: object): Promise<void> {
    await this.#make((scratch) => scratch.updateMany(query, update))
  }

  async replaceOne(query: Query, document: object): Promise<void> {
    await this.#make((scratch) => scratch.replaceOne(query, document))
  }

  async deleteOne(query: Query): Promise<void> {
    await this.#make((scratch) => scratch.deleteOne(query))
  }

  async deleteMany(query: Query): Promise<void> {
    await this.#make((scratch) => scratch.deleteMany(query))
  }

  async drop(): Promise<void> {
    await this.clear(chooser(await this.#ordered()))
  }

  find(): { toArray(): Promise<Document[]> } {
    return { toArray: () => this.#ordered() }
  }

  /** Makes writes in one transaction: as many of them as succeed. */
  async transact(runs: readonly Run[]): Promise<void> {
    await this.#make((scratch) => Promise.allSettled(runs.map((run) => run(scratch))), true)
  }

  async #make(write: (scratch: Writable) => Promise<unknown>, atOnce = false): Promise<void> {
    const before = await this.#ordered()
    const scratch = memory().collection('scratch')
    if (before.length > 0) await scratch.insertMany(before.map(withoutNulls))
    try {
      await write(scratch)
    } finally {
      // What a write did before it failed stays done.
      const differences = differencesOf(before.map(withoutNulls), await scratch.find().toArray())
      for (const { id, before: was, after } of differences) {
        if (!after) this.#places.delete(idKey(id))
        else if (!was) this.#places.add(idKey(id))
      }
      if (differences.length > 0) await this.write(differences, chooser(differences), atOnce)
    }
  }

  async #ordered(): Promise<Document[]> {
    const documents = new Map((await this.read()).map((document) => [keyOf(document), document]))
    for (const key of this.#places) if (!documents.has(key)) this.#places.delete(key)
    for (const key of documents.keys()) this.#places.add(key)
    return [...this.#places].map((key) => documents.get(key)).filter((document) => document !== undefined)
  }
}

/** What is written holds the run's count of writes, so that the same write is made in many ways, and yet in the same one when a run is repeated. */
function chooser(written: unknown): Choose {
  let state = createHash('sha1').update(JSON.stringify(written)).digest().readUInt32LE()
  return <T>(...items: readonly T[]) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return items[Math.floor((state / 2 ** 32) * items.length)] as T
  }
}

function differencesOf(before: readonly Document[], after: readonly Document[]): Difference[] {
  const left = new Map(after.map((document) => [keyOf(document), document]))
  const differences: Difference[] = []
  for (const document of before) {
    const id = document._id ?? null
    const now = left.get(keyOf(document))
    left.delete(keyOf(document))
    if (!now) differences.push({ id, before: document })
    else if (canonical(now as Json) !== canonical(document as Json))
      differences.push({ id, before: document, after: now })
  }
  for (const document of left.values()) differences.push({ id: document._id ?? null, after: document })
  return differences
}

function withoutNulls(document: Document): Document {
  return Object.fromEntries(Object.entries(document).filter(([, value]) => value !== null))
}

function keyOf({ _id }: Document): string {
  return idKey(_id ?? null)
}
