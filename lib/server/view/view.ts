import { ParticleError } from '../../errors.ts'
import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { Manifest } from '../../policy/manifest.ts'
import type { SortLimit } from '../../policy/order.ts'
import type { DocumentChange, Query } from '../../source/source.ts'
import type { Batch } from '../feed/batch.ts'
import type { Feed } from '../feed/feed.ts'
import { Frame, type FrameResult, MUST_RELOAD } from '../feed/frame.ts'
import type { Entry, Log } from '../feed/log.ts'
import type { ViewDigest } from './difference.ts'
import { filterEntry } from './entry-filter.ts'
import { ExcessPause } from './excess-pause.ts'
import { ViewFilter } from './filter.ts'
import { agree, Members, noteIn } from './members.ts'
import { needsDocument } from './ordered-filter.ts'
import { loadSnapshot, type Snapshot } from './snapshot.ts'
import type { SortedWindow } from './sorted-window.ts'
import type { Receiver, Viewer, ViewSpec } from './view-spec.ts'

/** Bytes that the log counts for an entry that shows clients nothing new. */
const NOTHING = 50

/** The filtered image of one collection, as one or many connections see it. */
export class View {
  readonly key: string
  readonly root: string
  readonly manifest: Manifest
  readonly feed: Feed
  readonly collection: string
  readonly query: Query
  readonly matches: ((document: Document) => boolean) | undefined
  readonly sortLimit: SortLimit | undefined
  readonly filter: ViewFilter
  readonly viewers = new Set<Viewer>()
  /** Get the frames: viewers by themselves, or all that are alike at once. */
  readonly receivers = new Set<Receiver>()
  readonly #log: Log
  readonly #members: Members
  /** Entries after this sequence were taken in, the members being known. */
  #since = Number.POSITIVE_INFINITY
  /** Positions up to here, or of another process up to the source's `position`, may be held with documents that the view knows no more. */
  #floor: { sequence: number; position: string } | undefined
  #snapshot: Snapshot | undefined
  #loading: Promise<Snapshot> | undefined
  readonly #excess = new ExcessPause()
  #generation = 0
  #closed = false
  readonly #onError: (error: unknown) => void
  readonly #onRead: ViewSpec['onRead']

  constructor(spec: ViewSpec, log: Log, onError: (error: unknown) => void) {
    this.key = spec.key
    this.root = spec.root
    this.manifest = spec.manifest
    this.feed = spec.feed
    this.collection = spec.collection
    this.query = spec.query
    this.matches = spec.matches
    this.sortLimit = spec.sortLimit
    this.filter = new ViewFilter(spec.manifest, spec.query, spec.matches, spec.sortLimit?.order, spec.sample)
    this.#members = new Members(this)
    this.#log = log
    this.#onError = onError
    this.#onRead = spec.onRead
  }

  /** Whether the change can be shown only with the document at hand. */
  needsDocument(change: DocumentChange): boolean {
    const { window, digests } = this.#members
    if (window) return needsDocument(window, this.filter, change)
    return this.filter.needsDocument(change, digests?.has(idKey(change.id)))
  }

  /** Whether the log tells all after a sequence. `foreign`: the position of a client from another process. */
  reaches(sequence: number, foreign?: string): boolean {
    const { floor, position, adapter } = this.feed
    const own = this.#floor
    if (own && (sequence < own.sequence || (foreign && adapter.compare(foreign, own.position) <= 0)))
      return false
    // The reading may lack a document of an earlier client, and no operation would remove it there.
    if (adapter.readsAhead && (foreign !== undefined || sequence < this.#since)) return false
    return position !== undefined && sequence >= this.#log.floor && sequence >= floor
  }

  /** Whether what follows a sequence can be replayed to a client that held the view there. */
  resumes(sequence: number): boolean {
    return this.reaches(sequence) && (!this.#selects || sequence >= this.#since)
  }

  /** How many documents are known to be in the view. */
  get size(): number {
    return this.#members.digests?.size ?? 0
  }

  /** Takes a new entry in. What viewers are to see of it goes to the batch. */
  take(entry: Entry, batch: Batch): void {
    // While the members are unknown, the entry waits in the log: the snapshot's end works it off.
    const known = this.#members.digests !== undefined
    if (!known && (this.#selects || this.viewers.size === 0)) return
    const visible = this.window?.visible
    const shown = this.#show(entry, known)
    if (shown && shown !== MUST_RELOAD) batch.add(this, shown)
    if (shown !== MUST_RELOAD) return
    const kinds = entry.changes.flatMap((one) => (one.collection === this.collection ? [one.kind] : []))
    batch.after(() => {
      if (kinds.includes('clear')) this.reload('source-changed')
      else if (kinds.includes('reload')) this.lost('source-changed')
      else if (visible) this.#lose(this.#members.knownOf(visible), 'history-lost')
      else this.reload('source-changed')
    })
  }

  /** Hands a frame that leads up to an entry to all receivers. */
  deliver(entry: Entry, frame: Frame): void {
    for (const receiver of this.receivers) receiver.deliver(this, entry, frame)
  }

  /** The entry as this view shows it; null when it doesn't touch the view. Where there is a criteria, only for entries that {@link resumes} allows. */
  frame(entry: Entry): FrameResult | null {
    const kept = entry.frames.get(this)
    if (kept !== undefined) return kept
    return this.#selects ? null : this.#show(entry, false)
  }

  /** The last snapshot, while the log reaches back to it, and not too far. */
  get atHand(): Snapshot | undefined {
    const snapshot = this.#snapshot
    const isNear = snapshot && this.#log.head - snapshot.sequence <= snapshot.documents + 1000
    return isNear && this.resumes(snapshot.sequence) ? snapshot : undefined
  }

  /** The present snapshot, encoded: the one at hand while the log reaches back to it, else a new one; one reading serves all who wait. */
  snapshot(): Promise<Snapshot> {
    if (this.atHand) return Promise.resolve(this.atHand)
    if (this.#loading) return this.#loading
    const loading = this.#excess
      .read(() => this.#load())
      .finally(() => {
        if (this.#loading === loading) this.#loading = undefined
      })
    this.#loading = loading
    return loading
  }

  /** Replaces a snapshot that is still the present one; with nothing, the source is read again. */
  replace(snapshot: Snapshot, by: Snapshot | undefined): void {
    if (this.#snapshot === snapshot) this.#snapshot = by
  }

  /** What those who see the view hold now, as it stays; undefined before it was read. */
  known(): ViewDigest | undefined {
    return this.#members.known()
  }

  /** Begins to follow the source; rejects when it can't be opened. */
  open(): Promise<void> {
    return this.feed.acquire(this)
  }

  /** The last viewer has left. Until it wakes, the view only keeps in mind which documents it has. */
  async rest(): Promise<void> {
    this.#snapshot = undefined
    await this.feed.release(this, this.#members.rest(this.#log.head))
  }

  /** Takes the view up again, with what has happened while it took nothing in. */
  wake(): void {
    const since = this.#members.wake()
    if (since === undefined) return
    const isNear = this.#log.head - since <= this.size + 1000
    if (!isNear || !this.resumes(since) || !this.#takeAfter(since)) this.#forget()
  }

  /** It is not to be taken up again. */
  async close(): Promise<void> {
    this.#closed = true
    this.#forget()
    await this.feed.release(this)
  }

  /** The first documents after the last entry, where the view has an order and they are known. */
  get window(): SortedWindow | undefined {
    return this.#members.window
  }

  /** Whether it is not told of all documents alike: to show an entry, it must know which ones it has. */
  get #selects(): boolean {
    return this.matches !== undefined || this.sortLimit !== undefined
  }

  /** Whether its members are known, and nobody is reading it. */
  get settled(): boolean {
    return this.#members.digests !== undefined && this.#loading === undefined
  }

  /** Lets go of a snapshot that is of no use any more. */
  sweep(): void {
    if (this.#snapshot && !this.resumes(this.#snapshot.sequence)) this.#snapshot = undefined
  }

  /** What was known is void: all viewers are reset. */
  reload(reason: string): void {
    this.#forget()
    for (const viewer of [...this.viewers]) viewer.reset(this, reason)
  }

  /** What happened is not known: what viewers hold must be compared with what there is now. */
  lost(reason: string): void {
    this.#lose(this.known(), reason)
  }

  #lose(known: ViewDigest | undefined, reason: string): void {
    this.#forget()
    for (const viewer of [...this.viewers]) {
      if (known) viewer.differ(this, known, reason)
      else viewer.reset(this, reason)
    }
  }

  failed(): void {
    for (const viewer of [...this.viewers]) viewer.failed(this)
  }

  #forget(): void {
    this.#generation++
    this.#snapshot = undefined
    this.#loading = undefined
    this.#unknow()
  }

  #unknow(): void {
    this.#members.replace(undefined)
    this.#since = Number.POSITIVE_INFINITY
  }

  async #load(): Promise<Snapshot> {
    const generation = this.#generation
    const stale = () => generation !== this.#generation
    for (let attempt = 0, began = performance.now(); ; attempt++) {
      if (this.#closed) throw new ParticleError('CLOSED', 'The last client of this view has left')
      await this.open()
      // A client that left right before the reading must not pass for one that has seen it.
      if (this.feed.adapter.readsAhead && !this.#members.digests) this.feed.mark()
      const pin = this.#log.pin()
      try {
        const snapshot = await loadSnapshot(this, this.#log, pin.sequence, stale, attempt)
        const followed = snapshot !== undefined && !stale() && this.#follow(snapshot)
        // Who waits for what is void by now joins those who wait for the reading that took its place.
        if (stale()) return this.snapshot()
        if (!followed) continue
        this.#snapshot = snapshot
        this.#onRead?.(snapshot, began)
        return snapshot
      } finally {
        pin.release()
      }
    }
  }

  /** Takes the members over from a snapshot and works off what came after it; false when that can't be told as deltas. */
  #follow(snapshot: Snapshot): boolean {
    if (this.#members.digests) return this.#compare(snapshot, this.#members.digests)
    this.#members.replace(snapshot.members, snapshot.window)
    this.#since = snapshot.sequence
    if (this.#takeAfter(snapshot.sequence)) return true
    this.#unknow()
    return false
  }

  /** Takes in what came after a sequence; false when that can't be told as deltas. */
  #takeAfter(sequence: number): boolean {
    for (const entry of this.#log.after(sequence, this.feed)) {
      const kept = this.#selects ? undefined : entry.frames.get(this)
      const shown = kept === undefined ? this.#show(entry, true) : kept
      if (shown === MUST_RELOAD) return false
      if (shown && kept) this.#members.note(shown.oplist)
    }
    return true
  }

  /**
   * Takes a later snapshot's members over from those that are held; false when they don't agree. What was read is
   * ahead of what was told then: as nobody can be told the way between, viewers go over by a difference, and who
   * is away, here or at another node, can't resume from before.
   */
  #compare(snapshot: Snapshot, held: ReadonlyMap<string, number>): boolean {
    const read = snapshot.members
    for (const entry of this.#log.after(snapshot.sequence, this.feed)) {
      const shown = this.frame(entry)
      if (shown === MUST_RELOAD) {
        this.#unknow()
        return false
      }
      if (shown) noteIn(read, shown.oplist)
    }
    if (agree(held, read)) {
      this.#members.replace(read, this.window)
      return true
    }
    this.#floor = this.feed.mark()
    this.lost('history-lost')
    return false
  }

  #show(entry: Entry, note: boolean): FrameResult | null {
    let shown: FrameResult | null
    try {
      shown = this.#filterEntry(entry, note)
    } catch (error) {
      // What a source reports wrongly must not leave its clients wrong, nor stop the others.
      this.#onError(error)
      shown = MUST_RELOAD
    }
    if (shown) entry.frames.set(this, shown)
    return shown
  }

  #filterEntry(entry: Entry, note: boolean): FrameResult | null {
    const filtered = filterEntry(entry, this, this.#members, note)
    if (filtered === MUST_RELOAD) return MUST_RELOAD
    const { oplist, timestamp, recognized } = filtered
    const account = (bytes: number) => this.#log.account(entry, bytes)
    if (oplist.length > 0) return new Frame(this.root, timestamp, oplist, account)
    // A replay meets the members of a later time, which can't recognize it again.
    if (recognized) entry.frames.set(this, null)
    if (recognized) account(NOTHING)
    return null
  }
}
