import type { Document } from '../model/document.ts'
import { idKey } from '../model/id.ts'
import type { Adapter, Change, ChangeListener, DocumentChange, Subscription } from '../source/source.ts'
import { byCollection, groupChanges, sizeOf, withoutDocument } from './change.ts'
import type { Log } from './log.ts'
import { pause } from './pause.ts'
import { Router } from './router.ts'
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
  readonly #routers = new Map<string, Router>()
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
    this.#routerOf(view.collection).add(view)
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

  /** A view has a document, or has it no more: see {@link Router.hold}. */
  hold(view: View, key: string, held: boolean): void {
    this.#routerOf(view.collection).hold(view, key, held)
  }

  /** Whether changes find a view by what they touch, or it must be asked at each. */
  route(view: View, found: boolean): void {
    this.#routers.get(view.collection)?.route(view, found)
  }

  /** Resolves once all changes up to the position are in the log: to false where that isn't to be, or not within so many milliseconds. */
  async reached(position: string, ms?: number): Promise<boolean> {
    if (this.#isPast(position)) return true
    // A reading may end when the last view is gone already: it must not wait, and keep the log and its clients, until somebody comes again.
    return this.#opening !== undefined && (await this.#waiting.for(position, ms))
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

  #gap(position: string): void {
    this.floor = this.#host.log.head
    this.floorPosition = position
    this.position = position
  }

  #forget(view: View): void {
    const router = this.#routers.get(view.collection)
    router?.delete(view)
    if (router?.size === 0) this.#routers.delete(view.collection)
  }

  #routerOf(collection: string): Router {
    let router = this.#routers.get(collection)
    if (!router) {
      router = new Router()
      this.#routers.set(collection, router)
    }
    return router
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

  #allViews(): View[] {
    return [...this.#routers.values()].flatMap((router) => [...router])
  }

  #needed(changes: readonly Change[]): DocumentChange[] {
    const needed: DocumentChange[] = []
    if (!this.adapter.lookup) return needed
    for (const change of changes) {
      if (change.kind !== 'update' || change.document) continue
      const router = this.#routers.get(change.collection)
      if (router?.needsDocument(change, idKey(change.id))) needed.push(change)
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
    const { log } = this.#host
    const now = Date.now()
    for (const group of groupChanges(changes)) {
      const last = group.at(-1)
      if (!last) continue
      this.position = last.position
      const entry = log.append(
        {
          feed: this,
          changes: group,
          point: this.#host.point(log.head + 1),
          adapters: this.#host.adapters(),
          bytes: group.reduce((sum, change) => sum + sizeOf(change), 0),
        },
        now,
      )
      for (const view of this.#touchedBy(group)) view.take(entry)
    }
    this.position = position
    this.#waiting.reached(position)
  }

  #touchedBy(group: readonly Change[]): Set<View> {
    let touched: Set<View> | undefined
    for (const change of group) {
      const key = 'id' in change ? idKey(change.id) : ''
      const views = this.#routers.get(change.collection)?.viewsOf(change, key)
      if (!touched) touched = views
      else for (const view of views ?? []) touched.add(view)
    }
    return touched ?? new Set()
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
