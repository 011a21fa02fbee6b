import type { Document } from '../model/document.ts'
import { idKey } from '../model/id.ts'
import type { Adapter, Change, ChangeListener, DocumentChange, Subscription } from '../source/source.ts'
import { byCollection, groupChanges, sizeOf, withoutDocument } from './change.ts'
import type { Entry, Log } from './log.ts'
import { pause } from './pause.ts'
import type { View } from './view.ts'
import { Waiting } from './waiting.ts'

/** What a feed needs of its server. */
export interface FeedHost {
  readonly log: Log
  /** Where all adapters are now, in the order of the server's sources. */
  adapters(): readonly string[]
  /** The text of the point at a sequence, the adapters being where they are now. */
  point(sequence: number): string
  onError(error: unknown, source: string): void
  onDebug(message: string): void
}

/** Bytes that a gap in the log is reckoned at. */
const GAP = 200

type Message =
  | { kind: 'changes'; changes: readonly Change[]; position: string }
  | { kind: 'lost'; reason: string; position: string }

/**
 * One adapter's stream of changes in this process: opened by the first view, closed by the last. It puts changes into the log and
 * dispatches them to the views of their collection, in order; where a view can't do without the document, it looks it up first.
 *
 * A view that nobody looks at may rest here: it takes changes in while the adapter is open for others, but does not keep it open.
 */
export class Feed {
  readonly adapter: Adapter
  /** Its place among the adapters of a position; undefined for a source that has none there. */
  readonly index: number | undefined
  /** Changes at or below this sequence may be missing from the log for this feed. */
  floor: number
  /** Where the source was at that sequence. */
  floorPosition: string | undefined
  /** How far the source has come with what is in the log; undefined before it was first opened. */
  position: string | undefined

  readonly #host: FeedHost
  readonly #views = new Map<string, Set<View>>()
  readonly #users = new Set<View>()
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #subscription: Subscription | undefined
  readonly #inbox: Message[] = []
  #working = false
  #generation = 0
  readonly #waiting: Waiting

  constructor(adapter: Adapter, host: FeedHost, index?: number) {
    this.adapter = adapter
    this.index = index
    this.#host = host
    this.floor = host.log.head
    this.#waiting = new Waiting(adapter)
  }

  /** Adds a view that is looked at; the first one opens the adapter. Rejects when it can't be opened. */
  async acquire(view: View): Promise<void> {
    let views = this.#views.get(view.collection)
    if (!views) {
      views = new Set()
      this.#views.set(view.collection, views)
    }
    views.add(view)
    this.#users.add(view)
    this.#opening ??= this.#open()
    const opening = this.#opening
    try {
      await opening
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined
      throw error
    }
  }

  /** Nobody looks at the view any more; the last one closes the adapter. `rest`: it goes on taking changes in while the adapter is open. */
  async release(view: View, rest = false): Promise<void> {
    if (!rest) this.#forget(view)
    if (this.#users.delete(view) && this.#users.size === 0) await this.close()
  }

  /** Resolves once all changes up to the position are in the log: to false where that isn't to be, or not within so many milliseconds. */
  async reached(position: string, ms?: number): Promise<boolean> {
    return this.#isPast(position) || (await this.#waiting.for(position, ms))
  }

  /** Resolves once all that there was when the adapter was opened is in the log. */
  async present(): Promise<void> {
    await this.#opening
    const head = this.#subscription?.head
    if (head !== undefined) await this.reached(head)
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
      this.#waiting.giveUp()
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
      this.#subscription = await this.adapter.open(listener, await this.#from())
      const { position } = this.#subscription
      const known = this.position
      if (known === undefined || this.adapter.compare(position, known) !== 0) {
        this.#gap(position)
        if (known !== undefined) for (const view of this.#allViews()) view.lost('history-lost')
      }
      this.#host.onDebug(`${this.adapter.name}: opened`)
    } catch (error) {
      // What it told before it failed will be told again.
      this.#generation++
      this.#inbox.length = 0
      throw error
    } finally {
      this.#working = false
    }
    this.#drain()
  }

  /**
   * Where to begin: where this feed has come to, or, if that is longer ago than the log reaches back, or it was never open, as far in the past
   * as the log may reach, so that clients of other nodes and of an earlier process find their positions in it.
   */
  async #from(): Promise<string | undefined> {
    const { ms, bytes } = this.#host.log.replay
    if (!this.adapter.past || ms === 0 || bytes === 0) return this.position
    try {
      const past = await this.adapter.past(ms)
      const known = this.position
      return known !== undefined && this.adapter.compare(known, past) >= 0 ? known : past
    } catch (error) {
      // What is wrong is told by the opening, which needs the source as well.
      this.#host.onDebug(`${this.adapter.name}: ${error}`)
      return this.position
    }
  }

  /** What is in the log does not lead to the position: nothing before it can be replayed. */
  #gap(position: string): void {
    // Nobody holds anything of a source of all before it was first opened; one that is opened for a view may have been followed for the same view before.
    const first = this.position === undefined && this.index !== undefined
    this.position = position
    this.floorPosition = position
    // Else a client that held everything up to the gap would pass for one that holds what comes after it: the gap has a place of its own.
    if (!first) this.#append([], GAP, Date.now())
    this.floor = this.#host.log.head
  }

  #append(changes: readonly Change[], bytes: number, now: number): Entry {
    const { log } = this.#host
    const point = this.#host.point(log.head + 1)
    return log.append({ feed: this, changes, point, adapters: this.#host.adapters(), bytes }, now)
  }

  #forget(view: View): void {
    const views = this.#views.get(view.collection)
    if (views?.delete(view) && views.size === 0) this.#views.delete(view.collection)
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
    for (const [collection, wanted] of byCollection(needed)) {
      for (let delay = 500; ; delay = Math.min(delay * 2, 30_000)) {
        try {
          const ids = wanted.map((change) => change.id)
          const documents = (await this.adapter.lookup?.(collection, ids)) ?? []
          const byId = new Map(documents.map((document) => [idKey(document._id ?? null), document]))
          for (const change of wanted) found.set(change, byId.get(idKey(change.id)) ?? null)
          break
        } catch (error) {
          if (generation !== this.#generation) return
          this.#failed(error)
          await pause(delay)
          if (generation !== this.#generation) return
        }
      }
    }
    if (generation !== this.#generation) return
    const whole = changes.map((change) => {
      const document = found.get(change as DocumentChange)
      if (document === undefined) return change
      return document === null
        ? withoutDocument(change as DocumentChange)
        : { ...(change as DocumentChange), document }
    })
    this.#dispatch(whole, position)
  }

  #dispatch(changes: readonly Change[], position: string): void {
    const now = Date.now()
    for (const group of groupChanges(changes)) {
      const last = group.at(-1)
      if (!last) continue
      this.position = last.position
      const bytes = group.reduce((sum, change) => sum + sizeOf(change), 0)
      const entry = this.#append(group, bytes, now)
      const views = new Set<View>()
      for (const change of group) for (const view of this.#viewsOf(change.collection)) views.add(view)
      for (const view of views) view.take(entry)
    }
    this.position = position
    this.#waiting.reached(position)
  }

  #isPast(position: string): boolean {
    return this.position !== undefined && this.adapter.compare(this.position, position) >= 0
  }

  #lost(reason: string, position: string): void {
    this.#gap(position)
    this.#host.onDebug(`${this.adapter.name}: history lost (${reason})`)
    this.#waiting.giveUp()
    for (const view of this.#allViews()) view.lost('history-lost')
  }

  #failed(error: unknown): void {
    this.#host.onError(error, this.adapter.name)
    for (const view of this.#users) view.failed()
  }
}
