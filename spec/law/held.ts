import type { Document } from '../../lib/model/document.ts'
import { idKey } from '../../lib/model/id.ts'
import { yieldTurn } from '../../lib/server/pause.ts'
import type { Adapter, Change, ChangeListener, Query, Subscription } from '../../lib/source/source.ts'

interface Follower {
  listener: ChangeListener
  waiting: { changes: readonly Change[]; position: string }[]
}

/** How a source is, within the contract. */
export interface Manner {
  /**
   * It tells the document after each change; else only what changed, where that doesn't depend on the value before. Then it can't be asked for documents
   * either: those are of a later state, and what is shown of them was never so.
   */
  documents: boolean
  /** It reads over a while: some documents are as of the begin, and some as of the end. */
  torn: boolean
}

/** An adapter as one node has it, whose changes can be held up on their way to the node, and lost. */
export class Held implements Adapter {
  readonly name: string
  declare readonly store?: string
  declare readonly past?: (milliseconds: number) => Promise<string>
  declare readonly lookup?: NonNullable<Adapter['lookup']>
  readonly compare: Adapter['compare']
  readonly read: Adapter['read']
  readonly #inner: Adapter
  readonly #manner: Manner
  readonly #followers = new Set<Follower>()
  #holding = false

  constructor(inner: Adapter, manner: Manner) {
    this.#inner = inner
    this.#manner = manner
    this.name = inner.name
    this.compare = (a, b) => inner.compare(a, b)
    this.read = manner.torn
      ? tornReader(inner)
      : (collection, query, each) => inner.read(collection, query, each)
    if (inner.store !== undefined) this.store = inner.store
    if (inner.past) this.past = (milliseconds) => inner.past?.(milliseconds) as Promise<string>
    if (inner.lookup && manner.documents)
      this.lookup = (collection, ids) => inner.lookup?.(collection, ids) as Promise<never[]>
  }

  /** How many subscriptions are open. */
  get followers(): number {
    return this.#followers.size
  }

  hold(): void {
    this.#holding = true
  }

  /** Lets go what was held up, in order. */
  release(): void {
    this.#holding = false
    for (const { listener, waiting } of [...this.#followers]) {
      for (let next = waiting.shift(); next; next = waiting.shift())
        listener.changes(next.changes, next.position)
    }
  }

  /** Loses what was held up. Returns whether there was anything. */
  lose(): boolean {
    this.#holding = false
    let lost = false
    for (const { listener, waiting } of [...this.#followers]) {
      const position = waiting.at(-1)?.position
      waiting.length = 0
      if (position === undefined) continue
      lost = true
      listener.lost('history-lost', position)
    }
    return lost
  }

  async open(listener: ChangeListener, from?: string): Promise<Subscription> {
    const follower: Follower = { listener, waiting: [] }
    const changes = (all: readonly Change[], position: string) => {
      const news = this.#manner.documents ? all : all.map(valuesOf)
      if (this.#holding) follower.waiting.push({ changes: news, position })
      else listener.changes(news, position)
    }
    this.#followers.add(follower)
    const subscription = await this.#inner.open(
      {
        changes,
        progress: (position) => {
          if (this.#holding) changes([], position)
          else listener.progress(position)
        },
        lost: (reason, position) => {
          follower.waiting.length = 0
          listener.lost(reason, position)
        },
        error: (error) => listener.error(error),
      },
      from,
    )
    return {
      ...subscription,
      close: async () => {
        this.#followers.delete(follower)
        await subscription.close()
      },
    }
  }
}

function valuesOf(change: Change): Change {
  if (change.kind !== 'update') return change
  const { document, before, ...rest } = change
  const plain = change.operations.every(({ operation }) => operation === 'set' || operation === 'unset')
  return plain ? rest : { ...rest, ...(document ? { document } : {}) }
}

function tornReader(inner: Adapter): Adapter['read'] {
  const read = async (collection: string, query: Query) => {
    const documents = new Map<string, Document>()
    const reading = await inner.read(collection, query, (batch) => {
      for (const document of batch) documents.set(idKey(document._id ?? null), document)
    })
    return { documents, reading }
  }
  return async (collection, query, each) => {
    const begin = await read(collection, query)
    await yieldTurn()
    const end = await read(collection, query)
    const keys = [...new Set([...begin.documents.keys(), ...end.documents.keys()])]
    const torn = keys.map((key, index) => (index % 2 === 0 ? begin : end).documents.get(key))
    await each(torn.filter((document) => document !== undefined))
    return { from: begin.reading.from, to: end.reading.to }
  }
}
