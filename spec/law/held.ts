import type { Adapter, Change, ChangeListener, Subscription } from '../../lib/source/source.ts'
import { lookUp, type Manner, presentOf, tornReader, valuesOf } from './manner.ts'
import { COLLECTION } from './roots.ts'

/** What it fails with when it is out of reach. */
export const OUT_OF_REACH = 'the store is out of reach'

const MAX_TRIES = 10

interface Follower {
  listener: ChangeListener
  /** How far it was told. */
  position?: string
  waiting: { changes: readonly Change[]; position: string }[]
}

/** An adapter as one node has it, whose changes can be held up on their way to the node, and lost. */
export class Held implements Adapter {
  readonly name: string
  declare readonly store?: string
  declare readonly readsAhead?: boolean
  declare readonly past?: (milliseconds: number) => Promise<string>
  declare readonly lookup?: NonNullable<Adapter['lookup']>
  readonly compare: Adapter['compare']
  readonly read: Adapter['read']
  readonly #inner: Adapter
  readonly #manner: Manner
  readonly #followers = new Set<Follower>()
  #holding = false
  #failing = false
  /** Where the store was when that was last asked for. */
  #present = ''

  constructor(inner: Adapter, manner: Manner) {
    this.#inner = inner
    this.#manner = manner
    this.name = inner.name
    this.compare = (a, b) => inner.compare(a, b)
    const read: Adapter['read'] = manner.torn ? tornReader(inner) : inner.read.bind(inner)
    this.read = async (collection, query, each, options) => {
      this.#reach()
      return read(collection, query, each, options)
    }
    if (inner.store !== undefined) this.store = inner.store
    if (inner.readsAhead !== undefined) this.readsAhead = inner.readsAhead
    if (inner.past) this.past = (milliseconds) => inner.past?.(milliseconds) as Promise<string>
    if (inner.lookup && manner.asked)
      this.lookup = async (collection, ids) => {
        this.#reach()
        return lookUp(inner, collection, ids)
      }
  }

  /** How many subscriptions are open. */
  get followers(): number {
    return this.#followers.size
  }

  /** Finds out where the store is now; what broke off may fail that for a moment. */
  async mark(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        this.#present = await presentOf(this.#inner, COLLECTION)
        return
      } catch (error) {
        if (tries === MAX_TRIES) throw error
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  }

  /** Whether somebody who follows it was not yet told of all that there was at the mark. */
  get behind(): boolean {
    const present = this.#present
    return [...this.#followers].some(
      ({ position }) => position !== undefined && this.#inner.compare(position, present) < 0,
    )
  }

  /** Whether changes are held up. */
  get holds(): boolean {
    return [...this.#followers].some(({ waiting }) => waiting.length > 0)
  }

  /** Changes don't come through. */
  hold(): void {
    this.#holding = true
  }

  /** It can't be read. */
  fail(): void {
    this.#failing = true
  }

  /** Lets go what was held up, in order, and can be read again. */
  release(): void {
    this.#holding = false
    this.#failing = false
    for (const follower of [...this.#followers]) {
      const { listener, waiting } = follower
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        follower.position = next.position
        listener.changes(next.changes, next.position)
      }
    }
  }

  /** Loses what was held up. Returns whether there was anything. */
  lose(): boolean {
    this.#holding = false
    let lost = false
    for (const follower of [...this.#followers]) {
      const { listener, waiting } = follower
      const position = waiting.at(-1)?.position
      waiting.length = 0
      if (position === undefined) continue
      lost = true
      follower.position = position
      listener.lost('history-lost', position)
    }
    return lost
  }

  async open(listener: ChangeListener, from?: string, signal?: AbortSignal): Promise<Subscription> {
    const follower: Follower = { listener, waiting: [] }
    const changes = (all: readonly Change[], position: string) => {
      const news = this.#manner.tells === 'documents' ? all : all.map(valuesOf)
      if (this.#holding) follower.waiting.push({ changes: news, position })
      else {
        follower.position = position
        listener.changes(news, position)
      }
    }
    this.#followers.add(follower)
    const opening = this.#inner.open(
      {
        changes,
        progress: (position) => {
          if (this.#holding) changes([], position)
          else {
            follower.position = position
            listener.progress(position)
          }
        },
        lost: (reason, position) => {
          follower.waiting.length = 0
          follower.position = position
          listener.lost(reason, position)
        },
        error: (error) => listener.error(error),
      },
      from,
      signal,
    )
    const subscription = await opening.catch((error: unknown) => {
      this.#followers.delete(follower)
      throw error
    })
    follower.position ??= subscription.position
    return {
      ...subscription,
      close: async () => {
        this.#followers.delete(follower)
        await subscription.close()
      },
    }
  }

  #reach(): void {
    if (this.#failing) throw new Error(OUT_OF_REACH)
  }
}
