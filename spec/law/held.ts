import type { Adapter, Change, ChangeListener, Subscription } from '../../lib/source/source.ts'

interface Follower {
  listener: ChangeListener
  waiting: { changes: readonly Change[]; position: string }[]
}

/**
 * How much a source tells: the document after each change, or only what changed, where that doesn't depend on the value before (as the contract has it). A
 * source that tells only values can't be asked for documents either: those are of a later state, and what is shown of them was never so.
 */
export type Telling = 'documents' | 'values'

/** An adapter as one node has it, whose changes can be held up on their way to the node, and lost. */
export class Held implements Adapter {
  readonly name: string
  declare readonly store?: string
  declare readonly past?: (milliseconds: number) => Promise<string>
  declare readonly lookup?: NonNullable<Adapter['lookup']>
  readonly compare: Adapter['compare']
  readonly read: Adapter['read']
  readonly #inner: Adapter
  readonly #telling: Telling
  readonly #followers = new Set<Follower>()
  #holding = false

  constructor(inner: Adapter, telling: Telling) {
    this.#inner = inner
    this.#telling = telling
    this.name = inner.name
    this.compare = (a, b) => inner.compare(a, b)
    this.read = (collection, query, each) => inner.read(collection, query, each)
    if (inner.store !== undefined) this.store = inner.store
    if (inner.past) this.past = (milliseconds) => inner.past?.(milliseconds) as Promise<string>
    if (inner.lookup && telling === 'documents')
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
      const news = this.#telling === 'documents' ? all : all.map(valuesOf)
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
