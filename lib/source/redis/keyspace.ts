import { randomBytes } from 'node:crypto'
import { RetryLoop } from '../retry-loop.ts'
import type { ChangeListener, DocumentChange, Subscription } from '../source.ts'
import { isHopeless } from './client.ts'
import { deleted, replaced } from './entry.ts'
import type { Mapping, RawDocument } from './mapping.ts'
import { type KeyspaceSettings, Upstream } from './upstream.ts'

/** Waits in the queue: a key to read, or a callback for the point after all earlier keys. */
type Item = string | (() => void)

const BATCH = 250
/** Limits the repeated reads of keys when others change meanwhile. */
const MAX_ROUNDS = 5
const SEQUENCE = /^(0|[1-9]\d{0,14})$/

/**
 * Keeps the order of a source without a stream: reads a notified key again, and reports its present document.
 * One feed for all listeners of the process. Positions are an epoch of the process and a sequence; no client
 * can resume across a gap.
 *
 *     notification --> queue of keys --read with a fence--> changes of one transaction --> listeners
 *     connection lost, flush, notifications off --> new sequence, `lost` --> listeners
 */
export class KeyspaceFeed {
  readonly #settings: KeyspaceSettings
  readonly #epoch = randomBytes(5).toString('hex')
  readonly #followers = new Set<ChangeListener>()
  readonly #opening = new Set<ChangeListener>()
  #sequence = 0
  #loop: RetryLoop | undefined
  #upstream: Upstream | undefined
  #queue: Item[] = []
  readonly #queued = new Set<string>()
  #draining = false
  #fence = 0
  readonly #fences = new Map<string, () => void>()
  /** Readings that wait for their fence. */
  readonly #readings = new Map<string, () => void>()

  constructor(settings: KeyspaceSettings) {
    this.#settings = settings
  }

  /** Opens a subscription. A position is valid only if another subscription was open since. */
  async open(listener: ChangeListener, _from?: string, signal?: AbortSignal): Promise<Subscription> {
    // Makes the listener unique, because the same listener may follow twice.
    const follower: ChangeListener = {
      changes: (changes, position) => listener.changes(changes, position),
      progress: (position) => listener.progress(position),
      lost: (reason, position) => listener.lost(reason, position),
      error: (error) => listener.error(error),
    }
    this.#opening.add(follower)
    const giveUp = () => {
      if (this.#opening.delete(follower) && this.#followers.size + this.#opening.size === 0)
        void this.#stop(signal?.reason)
    }
    signal?.addEventListener('abort', giveUp)
    const loop = this.#loop ?? this.#start()
    this.#loop = loop
    try {
      await loop.opened
    } catch (error) {
      if (this.#loop === loop) this.#loop = undefined
      throw error
    } finally {
      signal?.removeEventListener('abort', giveUp)
      this.#opening.delete(follower)
    }
    this.#followers.add(follower)
    return {
      position: this.#position,
      close: async () => {
        if (this.#followers.delete(follower) && this.#followers.size + this.#opening.size === 0)
          await this.#stop()
      },
    }
  }

  compare(a: string, b: string): number {
    return this.#parse(a) - this.#parse(b)
  }

  /**
   * Returns the position before a read. Changes of the collection are reported from here on, if a listener is
   * open.
   */
  async before(mapping: Mapping): Promise<string> {
    await this.#loop?.opened.catch(() => {})
    await this.#upstream?.subscribe(mapping)
    return this.#position
  }

  /** Returns the position after a read: all changes in the read documents are reported up to it. */
  async after(): Promise<string> {
    const upstream = this.#upstream
    if (upstream) {
      const fence = String(++this.#fence)
      await new Promise<void>((resolve) => {
        this.#fences.set(fence, resolve)
        // Goes on without PUBLISH if it is refused: a repeated report does no harm, because documents are
        // reported whole.
        upstream.sendFence(fence).catch(() => resolve())
      })
      this.#fences.delete(fence)
    }
    return this.#position
  }

  get #position(): string {
    return `${this.#epoch}-${this.#sequence}`
  }

  #parse(position: string): number {
    const [epoch, digits = '', ...rest] = position.split('-')
    return epoch === this.#epoch && rest.length === 0 && SEQUENCE.test(digits) ? Number(digits) : Number.NaN
  }

  #start(): RetryLoop {
    const loop = new RetryLoop({
      attempt: () => this.#follow(loop),
      isHopeless,
      failed: (error) => {
        this.#upstream?.fail(error)
        this.#forget()
        for (const listener of [...this.#opening, ...this.#followers]) listener.error(error)
        return undefined
      },
      recovered: () => {
        for (const listener of this.#followers) listener.progress(this.#position)
      },
    })
    return loop
  }

  async #stop(reason?: unknown): Promise<void> {
    const [upstream, closed] = [this.#upstream, this.#loop?.close(reason)]
    this.#loop = undefined
    this.#forget()
    await upstream?.close()
    await closed
  }

  async #connect(signal: AbortSignal): Promise<void> {
    const upstream: Upstream = await Upstream.open(
      this.#settings,
      this.#epoch,
      {
        key: (key) => this.#receive(key),
        fence: (fence) => {
          const reading = this.#readings.get(fence)
          if (reading) reading()
          else this.#receive(this.#fences.get(fence))
        },
      },
      signal,
    )
    this.#sequence++
    this.#upstream = upstream
  }

  /** Drops all state after the loss of the notifications. */
  #forget(): void {
    this.#sequence++
    this.#upstream = undefined
    this.#queue = []
    this.#queued.clear()
    for (const reach of [...this.#fences.values(), ...this.#readings.values()]) reach()
  }

  /** Follows until a flush. Connects first, and reports the gap, when no connection is left. */
  async #follow(loop: RetryLoop): Promise<void> {
    const { signal } = loop
    if (!this.#upstream) {
      const isBack = loop.isOpen
      await this.#connect(signal)
      loop.succeeded()
      if (isBack) this.#lose('Redis was not reachable for a while, and does not keep its notifications')
    }
    await this.#upstream?.flushed(signal)
    if (!signal.aborted) this.#lose('The database was flushed, or swapped with another one')
  }

  #lose(reason: string): void {
    this.#sequence++
    for (const listener of this.#followers) listener.lost(reason, this.#position)
  }

  #receive(item: Item | undefined): void {
    if (item === undefined || (typeof item === 'string' && this.#queued.has(item))) return
    this.#queue.push(item)
    if (typeof item === 'string') this.#queued.add(item)
    if (this.#draining) return
    this.#draining = true
    // Reads the keys of one turn at once.
    setImmediate(() => void this.#drain())
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0 && this.#upstream) {
      const [first] = this.#queue
      if (typeof first === 'function') {
        this.#queue.shift()
        first()
      } else await this.#work(this.#upstream)
    }
    this.#draining = false
  }

  /**
   * Reads the next keys and reports their documents. Includes other keys that change before the read, because
   * the read state never existed without their changes.
   */
  async #work(upstream: Upstream): Promise<void> {
    const keys = new Set(this.#take(BATCH))
    try {
      for (let round = 1; ; round++) {
        const { raw, changed } = await this.#read(upstream, [...keys])
        if (upstream !== this.#upstream) return
        const others = changed.filter((key) => !keys.has(key))
        const room = BATCH - keys.size
        if (others.length === 0 || others.length > room || round === MAX_ROUNDS)
          return this.#tell([...keys], raw)
        for (const key of this.#take(room)) keys.add(key)
      }
    } catch (error) {
      // Reconnects, which is reported as a loss: these keys are lost.
      if (!upstream.isOver) upstream.fail(error)
      if (upstream === this.#upstream) this.#forget()
    }
  }

  /** Takes keys out of the queue. A notification that comes from here on asks for another reading. */
  #take(most: number): string[] {
    const keys = this.#queue.filter((item) => typeof item === 'string').slice(0, most)
    const taken = new Set<Item>(keys)
    this.#queue = this.#queue.filter((item) => !taken.has(item))
    for (const key of keys) this.#queued.delete(key)
    return keys
  }

  /** Reads keys. Returns their contents, and the queued keys that were notified before the read. */
  async #read(
    upstream: Upstream,
    keys: readonly string[],
  ): Promise<{ raw: RawDocument[]; changed: string[] }> {
    const fence = String(++this.#fence)
    let changed: string[] = []
    const reached = new Promise<void>((resolve) => {
      this.#readings.set(fence, () => {
        changed = [...this.#queued]
        resolve()
      })
    })
    try {
      const { raw, fenced } = await upstream.read(keys, fence)
      if (fenced) await reached
      return { raw, changed }
    } finally {
      this.#readings.delete(fence)
    }
  }

  #tell(keys: readonly string[], raw: readonly RawDocument[]): void {
    const timestamp = new Date().toISOString()
    const changes: DocumentChange[] = []
    const transaction = String(this.#sequence)
    for (const [index, key] of keys.entries()) {
      for (const mapping of this.#settings.mappings()) {
        const id = mapping.idOf(key)
        if (id === undefined) continue
        this.#sequence++
        const base = { position: this.#position, timestamp, collection: mapping.name, id, transaction }
        const document = mapping.document(id, raw[index] ?? null)
        changes.push(document ? replaced(base, document) : deleted(base))
      }
    }
    if (changes.length === 0) return
    for (const listener of [...this.#followers]) listener.changes(changes, this.#position)
  }
}
