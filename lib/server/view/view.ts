import { ParticleError } from '../../errors.ts'
import { idKey } from '../../model/id.ts'
import type { SortLimit } from '../../policy/order.ts'
import type { DocumentChange, Query } from '../../source/source.ts'
import type { Batch } from '../feed/batch.ts'
import type { Feed } from '../feed/feed.ts'
import { type Frame, type FrameResult, MUST_RELOAD } from '../feed/frame.ts'
import type { Entry, Log } from '../feed/log.ts'
import { FewSet } from '../support/few-set.ts'
import type { ViewDigest } from './difference.ts'
import { frameOf, type OnError } from './entry-frame.ts'
import { outsidePause } from './excess-pause.ts'
import { ViewFilter } from './filter.ts'
import { isNear, operationsAfter } from './later-entries.ts'
import { agree, Members, noteIn, type ReadonlyDigests } from './members.ts'
import { needsDocument } from './ordered-filter.ts'
import { loadSnapshot, loads, type Snapshot } from './snapshot.ts'
import type { SortedWindow } from './sorted-window.ts'
import type { Receiver, Viewer, ViewSpec } from './view-spec.ts'

/**
 * Keeps the filtered image of one collection for one or many connections:
 *
 *    unknown --#load, #follow--> settled (take filters entries) --rest--> resting
 *       ^-------- reload, lost ------------'        ^----------- wake -------'
 *
 * The view's members are unknown until the first snapshot. A change that can't be expressed as a delta makes
 * them unknown again, and the viewers are reset or brought up by a difference.
 */
export class View {
  readonly key: string
  readonly root: string
  readonly feed: Feed
  readonly collection: string
  readonly query: Query
  readonly sortLimit: SortLimit | undefined
  /** Whether clients' rights depend on the documents. The view then gets each entry before the others. */
  readonly decides: boolean
  readonly filter: ViewFilter
  readonly viewers = new FewSet<Viewer>()
  /** The receivers of frames: single connections, or a broadcast group for all of its members. */
  readonly receivers = new FewSet<Receiver>()
  readonly #log: Log
  readonly #members: Members
  /** The sequence after which the members include all entries; undefined while they are unknown. */
  #since: number | undefined
  /**
   * The oldest position that can resume. A client with an older position may hold documents that the view no
   * longer knows. Positions of this process compare by `sequence`, others by the source's `position`.
   */
  #floor: { sequence: number; position: string } | undefined
  #snapshot: Snapshot | undefined
  #loading: Promise<Snapshot> | undefined
  #generation = 0
  #closed = false
  readonly #onError: OnError
  readonly #onRead: ViewSpec['onRead']

  constructor(spec: ViewSpec, log: Log, onError: OnError) {
    this.key = spec.key
    this.root = spec.root
    this.feed = spec.feed
    this.collection = spec.collection
    this.query = spec.query
    this.sortLimit = spec.sortLimit
    this.decides = spec.decides ?? false
    this.filter = new ViewFilter(spec.manifest, spec.query, spec.matches, spec.sortLimit?.order, spec.sample)
    this.#members = new Members(this)
    this.#log = log
    this.#onError = onError
    this.#onRead = spec.onRead
  }

  /** Checks whether a change can be shown only with its document. */
  needsDocument(change: DocumentChange): boolean {
    const { window, digests } = this.#members
    if (window) return needsDocument(window, this.filter, change)
    return this.filter.needsDocument(change, digests?.has(idKey(change.id)))
  }

  /** Checks whether the log has all changes after a sequence, or another process's position (`foreign`). */
  reaches(sequence: number, foreign?: string): boolean {
    const { floor, position, adapter } = this.feed
    const own = this.#floor
    if (own && (sequence < own.sequence || (foreign && adapter.compare(foreign, own.position) <= 0)))
      return false
    // The reading may lack a document of an earlier client, and no operation would remove it there.
    if (adapter.readsAhead && (foreign !== undefined || sequence < (this.#since ?? Number.POSITIVE_INFINITY)))
      return false
    return position !== undefined && sequence >= this.#log.floor && sequence >= floor
  }

  /** Checks whether the changes after a sequence can be replayed to a client. */
  resumes(sequence: number): boolean {
    return this.reaches(sequence) && (!this.#selects || sequence >= (this.#since ?? Number.POSITIVE_INFINITY))
  }

  /** The number of known documents in the view. */
  get size(): number {
    return this.#members.digests?.size ?? 0
  }

  /** Applies a new entry. Adds the visible operations to the batch. */
  take(entry: Entry, batch: Batch): void {
    // Leaves the entry in the log while the members are unknown. `#follow` applies it after the snapshot.
    const known = this.#members.digests !== undefined
    if (!known && (this.#selects || this.viewers.size === 0)) return
    const visible = this.window?.visible
    const shown = this.#show(entry, known)
    if (shown && shown !== MUST_RELOAD) {
      if (this.decides) this.deliver(entry, shown)
      else batch.add(this, shown)
    }
    if (shown !== MUST_RELOAD) return
    const kinds = entry.changesOf(this.collection).map(({ kind }) => kind)
    batch.after(() => {
      if (kinds.includes('clear')) this.reload('source-changed')
      else if (kinds.includes('reload')) this.lost('source-changed')
      else this.#lose(visible && this.#members.knownOf(visible), visible ? 'history-lost' : 'source-changed')
    })
  }

  /** Passes an entry's frame to all receivers. */
  deliver(entry: Entry, frame: Frame): void {
    for (const receiver of this.receivers) receiver.deliver(this, entry, frame)
  }

  /**
   * Returns the entry's frame; null when the entry doesn't touch the view. A view with criteria or an order
   * returns frames only for entries that {@link View.resumes} allows.
   */
  frame(entry: Entry): FrameResult | null {
    const kept = entry.resultOf(this)
    if (kept !== undefined) return kept
    return this.#selects ? null : this.#show(entry, false)
  }

  /** The last snapshot, if the log has the changes after it, and they are few. */
  get atHand(): Snapshot | undefined {
    const snapshot = this.#snapshot
    const mayBe = snapshot && this.resumes(snapshot.sequence)
    return mayBe && isNear(this, this.#log, snapshot, this.#selects) ? snapshot : undefined
  }

  /** Returns a snapshot: the one at hand, or a new one. All waiting callers share one read. */
  snapshot(): Promise<Snapshot> {
    if (this.atHand) return Promise.resolve(this.atHand)
    if (this.#loading) return this.#loading
    const loading = outsidePause(this, () => this.#load()).finally(() => {
      if (this.#loading === loading) this.#loading = undefined
    })
    this.#loading = loading
    return loading
  }

  /**
   * Replaces a snapshot that is still the present one. Without a replacement, the next caller reads the
   * source.
   */
  replace(snapshot: Snapshot, by: Snapshot | undefined): void {
    if (this.#snapshot === snapshot) this.#snapshot = by
  }

  /** Frees the snapshot. The next caller reads the source. */
  free(): void {
    this.#snapshot = undefined
  }

  /** Returns a constant copy of the viewers' present data; undefined before the view was read. */
  known(): ViewDigest | undefined {
    return this.#members.known()
  }

  /** Starts to follow the source. Rejects when the source can't be opened. */
  open(): Promise<void> {
    return this.feed.acquire(this)
  }

  /** Rests after the last viewer has left. The view keeps only its members until it wakes. */
  async rest(): Promise<void> {
    this.free()
    await this.feed.release(this, this.#members.rest(this.#log.head))
  }

  /** Wakes the view, and applies the changes that it did not receive. */
  wake(): void {
    const since = this.#members.wake()
    if (since === undefined) return
    const known = { sequence: since, documents: this.size }
    const near = this.resumes(since) && isNear(this, this.#log, known, false)
    if (!near || !this.#takeAfter(since)) this.#forget()
  }

  /** Closes the view for good. */
  async close(): Promise<void> {
    this.#closed = true
    this.#forget()
    await this.feed.release(this)
  }

  /** The first documents after the last entry, if the view is ordered and they are known. */
  get window(): SortedWindow | undefined {
    return this.#members.window
  }

  /** Whether the view shows a part of the documents only. It must then know its members to show an entry. */
  get #selects(): boolean {
    return this.filter.matches !== undefined || this.sortLimit !== undefined
  }

  /** Whether the members are known, and no read is running. */
  get settled(): boolean {
    return this.#members.digests !== undefined && this.#loading === undefined
  }

  /** Frees a snapshot that the log can't bring to the present. */
  sweep(): void {
    if (this.#snapshot && !this.resumes(this.#snapshot.sequence)) this.free()
  }

  /** Discards the view's data, and resets all viewers. */
  reload(reason: string): void {
    this.#lose(undefined, reason)
  }

  /** Discards the view's data after changes were lost, and brings the viewers up by a difference. */
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
    this.free()
    this.#loading = undefined
    this.#unknow()
  }

  #unknow(): void {
    this.#members.replace(undefined)
    this.#since = undefined
  }

  async #load(): Promise<Snapshot> {
    const generation = this.#generation
    const stale = () => generation !== this.#generation
    await loads()
    for (let attempt = 0, began = performance.now(); ; attempt++) {
      if (this.#closed) throw new ParticleError('CLOSED', 'The last client of this view has left')
      await this.open()
      // Gives the reading its own sequence: a client that left right before it has not seen it.
      if (this.feed.adapter.readsAhead && !this.#members.digests) this.feed.mark()
      const pin = this.#log.pin()
      try {
        const snapshot = await loadSnapshot(this, this.#log, pin.sequence, stale, attempt)
        const followed = snapshot !== undefined && !stale() && this.#follow(snapshot)
        // Passes a stale load's callers on to the load that has replaced it.
        if (stale()) return this.snapshot()
        if (!followed) continue
        this.#snapshot = snapshot
        this.#onRead?.(snapshot, began, this.root)
        return snapshot
      } finally {
        pin.release()
      }
    }
  }

  /** Takes over a snapshot's members and the entries after it. Returns false if these can't be deltas. */
  #follow(snapshot: Snapshot): boolean {
    if (this.#members.digests) return this.#compare(snapshot, this.#members.digests)
    this.#members.replace(snapshot.members, snapshot.window)
    this.#since = snapshot.sequence
    if (this.#takeAfter(snapshot.sequence)) return true
    this.#unknow()
    return false
  }

  /** Applies the entries after a sequence. Returns false when they can't be expressed as deltas. */
  #takeAfter(sequence: number): boolean {
    for (const entry of this.#log.after(sequence, this.feed)) {
      const kept = this.#selects ? undefined : entry.resultOf(this)
      const shown = kept === undefined ? this.#show(entry, true) : kept
      if (shown === MUST_RELOAD) return false
      if (shown && kept) this.#members.note(shown.oplist)
    }
    return true
  }

  /**
   * Takes over the members of a later snapshot. Returns false when they differ from the known ones, since the
   * source was read ahead of its reported changes. The way between can't be expressed, so viewers are brought
   * up by a difference, and absent clients, here or on another node, can't resume from before.
   */
  #compare(snapshot: Snapshot, held: ReadonlyDigests): boolean {
    const read = snapshot.members
    const later = operationsAfter(this, this.#log, snapshot.sequence)
    if (!later) {
      this.#unknow()
      return false
    }
    noteIn(read, later)
    if (agree(held, read)) {
      this.#members.replace(read, this.window)
      return true
    }
    this.#floor = this.feed.mark()
    this.lost('history-lost')
    return false
  }

  #show(entry: Entry, note: boolean): FrameResult | null {
    return frameOf(entry, this, this.#members, this.#onError, note)
  }
}
