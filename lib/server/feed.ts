import type { Document } from '../model/document.ts'
import { idKey } from '../model/id.ts'
import type { Adapter, Change, ChangeListener, DocumentChange, Subscription } from '../source/source.ts'
import type { Log } from './log.ts'
import { pause } from './pause.ts'
import type { View } from './view.ts'

/** What a feed needs of its server. */
export interface FeedHost {
  readonly log: Log
  /** The text of the position at a sequence, all feeds being where they are now. */
  positionId(sequence: number): string
  onError(error: unknown, source: string): void
  onDebug(message: string): void
}

type Message =
  | { kind: 'changes'; changes: readonly Change[]; position: string }
  | { kind: 'lost'; reason: string; position: string }

/** Bytes that an entry without a document is reckoned at, besides what its operations hold. */
const ENTRY_OVERHEAD = 200

/**
 * One adapter's stream of changes in this process: opened by the first view, closed by the last. It puts changes into the log and
 * dispatches them to the views of their collection, in order; where a view can't do without the document, it looks it up first.
 */
export class Feed {
  readonly adapter: Adapter
  /** Changes at or below this sequence may be missing from the log for this feed. */
  floor: number
  /** How far the source has come with what is in the log; undefined before it was first opened. */
  position: string | undefined

  readonly #host: FeedHost
  readonly #views = new Map<string, Set<View>>()
  #users = 0
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #subscription: Subscription | undefined
  readonly #inbox: Message[] = []
  #working = false
  #generation = 0
  readonly #waiting = new Set<{ position: string; resolve: () => void }>()

  constructor(adapter: Adapter, host: FeedHost) {
    this.adapter = adapter
    this.#host = host
    this.floor = host.log.head
  }

  /** Adds a view; the first one opens the adapter. Rejects when it can't be opened. */
  async acquire(view: View): Promise<void> {
    let views = this.#views.get(view.collection)
    if (!views) {
      views = new Set()
      this.#views.set(view.collection, views)
    }
    if (!views.has(view)) {
      views.add(view)
      this.#users++
    }
    this.#opening ??= this.#open()
    const opening = this.#opening
    try {
      await opening
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined
      throw error
    }
  }

  /** Takes a view away; the last one closes the adapter. */
  async release(view: View): Promise<void> {
    const views = this.#views.get(view.collection)
    if (!views?.delete(view)) return
    if (views.size === 0) this.#views.delete(view.collection)
    if (--this.#users === 0) await this.close()
  }

  /** Resolves once all changes up to the position are in the log. */
  reached(position: string): Promise<void> {
    if (this.#isPast(position)) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.add({ position, resolve }))
  }

  async close(): Promise<void> {
    const opening = this.#opening
    if (!opening) return this.#closing
    this.#opening = undefined
    this.#closing = (async () => {
      await opening.catch(() => {})
      this.#generation++
      const subscription = this.#subscription
      this.#subscription = undefined
      this.#inbox.length = 0
      for (const waiter of this.#waiting) waiter.resolve()
      this.#waiting.clear()
      try {
        await subscription?.close()
      } catch (error) {
        this.#host.onError(error, this.adapter.name)
      }
      this.#host.onDebug(`${this.adapter.name}: closed`)
    })()
    await this.#closing
  }

  async #open(): Promise<void> {
    // Only the closing that is under way now: one that begins later waits for this opening.
    await this.#closing
    const from = this.position
    const generation = ++this.#generation
    const current = () => generation === this.#generation
    const listener: ChangeListener = {
      changes: (changes, position) => {
        if (current()) this.#receive({ kind: 'changes', changes, position })
      },
      progress: (position) => {
        if (current()) this.#receive({ kind: 'changes', changes: [], position })
      },
      lost: (reason, position) => {
        if (current()) this.#receive({ kind: 'lost', reason, position })
      },
      error: (error) => {
        if (current()) this.#failed(error)
      },
    }
    // What comes while open() is under way waits: whether it continues the log is known only from the subscription's position.
    this.#working = true
    try {
      this.#subscription = await this.adapter.open(listener, from)
      const start = this.#subscription.position
      if (from === undefined) {
        this.floor = this.#host.log.head
        this.position = start
      } else if (this.adapter.compare(start, from) !== 0) {
        this.#gap()
        this.position = start
      }
      this.#host.onDebug(`${this.adapter.name}: opened`)
    } finally {
      this.#working = false
    }
    this.#drain()
  }

  #receive(message: Message): void {
    this.#inbox.push(message)
    if (!this.#working) this.#drain()
  }

  /** Works the inbox off: synchronously, until something has to be looked up. */
  #drain(): void {
    for (let message = this.#inbox.shift(); message; message = this.#inbox.shift()) {
      if (message.kind === 'lost') {
        this.#lost(message.reason, message.position)
        continue
      }
      const needed = this.#needed(message.changes)
      if (needed.length > 0) {
        this.#working = true
        const generation = this.#generation
        void this.#lookUp(message.changes, message.position, needed).finally(() => {
          if (generation !== this.#generation) return
          this.#working = false
          this.#drain()
        })
        return
      }
      this.#dispatch(message.changes, message.position)
    }
  }

  #viewsOf(collection: string): Iterable<View> {
    return this.#views.get(collection) ?? []
  }

  #allViews(): View[] {
    return [...this.#views.values()].flatMap((views) => [...views])
  }

  #needed(changes: readonly Change[]): DocumentChange[] {
    const needed: DocumentChange[] = []
    if (!this.adapter.lookup) return needed
    for (const change of changes) {
      if (change.kind !== 'update' || change.document) continue
      for (const view of this.#viewsOf(change.collection)) {
        if (view.needsDocument(change)) {
          needed.push(change)
          break
        }
      }
    }
    return needed
  }

  async #lookUp(changes: readonly Change[], position: string, needed: DocumentChange[]): Promise<void> {
    const generation = this.#generation
    const found = new Map<DocumentChange, Document | null>()
    const collections = groupBy(needed)
    for (const [collection, wanted] of collections) {
      for (let delay = 500; ; delay = Math.min(delay * 2, 30_000)) {
        try {
          const ids = wanted.map((change) => change.id)
          const documents = (await this.adapter.lookup?.(collection, ids)) ?? []
          const byId = new Map(documents.map((document) => [idKey(document._id ?? null), document]))
          for (const change of wanted) found.set(change, byId.get(idKey(change.id)) ?? null)
          break
        } catch (error) {
          this.#failed(error)
          if (generation !== this.#generation) return
          await pause(delay)
        }
      }
    }
    if (generation !== this.#generation) return
    const whole = changes.map((change) => {
      const document = found.get(change as DocumentChange)
      if (document === undefined) return change
      // A document that is gone by now was deleted after this change: to leave it out already does no harm.
      return document === null ? gone(change as DocumentChange) : { ...(change as DocumentChange), document }
    })
    this.#dispatch(whole, position)
  }

  #dispatch(changes: readonly Change[], position: string): void {
    const now = Date.now()
    for (const group of grouped(changes)) {
      const last = group.at(-1)
      if (!last) continue
      this.position = last.position
      const entry = this.#host.log.append(
        {
          feed: this,
          changes: group,
          id: this.#host.positionId(this.#host.log.head + 1),
          bytes: group.reduce((sum, change) => sum + sizeOf(change), 0),
        },
        now,
      )
      const views = new Set<View>()
      for (const change of group) for (const view of this.#viewsOf(change.collection)) views.add(view)
      for (const view of views) view.dispatch(entry)
    }
    this.position = position
    for (const waiter of this.#waiting) {
      if (!this.#isPast(waiter.position)) continue
      this.#waiting.delete(waiter)
      waiter.resolve()
    }
  }

  #isPast(position: string): boolean {
    return this.position !== undefined && this.adapter.compare(this.position, position) >= 0
  }

  #lost(reason: string, position: string): void {
    this.#gap()
    this.position = position
    this.#host.onDebug(`${this.adapter.name}: history lost (${reason})`)
    for (const waiter of this.#waiting) waiter.resolve()
    this.#waiting.clear()
    for (const view of this.#allViews()) view.reload(reason)
  }

  /** Changes are missing here: nobody who holds a position of before can be told them, also where it is the log's very last one. */
  #gap(): void {
    this.floor = this.#host.log.mark(Date.now())
  }

  #failed(error: unknown): void {
    this.#host.onError(error, this.adapter.name)
    for (const view of this.#allViews()) view.failed()
  }
}

/** Changes of one transaction belong to one entry; all others stand alone. */
function grouped(changes: readonly Change[]): Change[][] {
  const groups: Change[][] = []
  let transaction: string | undefined
  for (const change of changes) {
    const last = groups.at(-1)
    if (last && change.transaction !== undefined && change.transaction === transaction) last.push(change)
    else groups.push([change])
    transaction = change.transaction
  }
  return groups
}

function gone(change: DocumentChange): DocumentChange {
  const { document: _, ...rest } = change
  return { ...rest, kind: 'delete', operations: [{ operation: 'unset', path: '.' }] }
}

function groupBy(changes: DocumentChange[]): Map<string, DocumentChange[]> {
  const groups = new Map<string, DocumentChange[]>()
  for (const change of changes) {
    const group = groups.get(change.collection)
    if (group) group.push(change)
    else groups.set(change.collection, [change])
  }
  return groups
}

function sizeOf(change: Change): number {
  if (change.kind === 'clear' || change.kind === 'reload') return ENTRY_OVERHEAD
  return (
    ENTRY_OVERHEAD +
    JSON.stringify(change.operations).length +
    (change.document && change.kind === 'update' ? 500 : 0)
  )
}
