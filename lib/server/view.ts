import { ParticleError } from '../errors.ts'
import type { Document } from '../model/document.ts'
import { idKey } from '../model/id.ts'
import type { DocumentOperation } from '../model/operation.ts'
import type { Manifest } from '../policy/manifest.ts'
import type { Cut } from '../policy/order.ts'
import type { DocumentChange, Query } from '../source/source.ts'
import { arrange, needsDocument } from './arrangement.ts'
import type { Batch } from './batch.ts'
import type { Known } from './difference.ts'
import { UNKNOWN } from './digest.ts'
import type { Feed } from './feed.ts'
import { BARRIER, Frame, type Shown } from './frame.ts'
import { Lens } from './lens.ts'
import type { Entry, Log } from './log.ts'
import { loadSnapshot, type Snapshot } from './snapshot.ts'
import type { Receiver, Viewer, ViewSpec } from './viewer.ts'
import type { Item, Window } from './window.ts'

/** A view of more documents than these is asked at every change of its collection, rather than found by the documents that it has. */
const MOST_HELD = 1_000

export type { Receiver, Viewer, ViewSpec } from './viewer.ts'

/** The filtered image of one collection, as one or many connections see it. */
export class View {
  readonly key: string
  readonly root: string
  readonly manifest: Manifest
  readonly feed: Feed
  readonly collection: string
  readonly query: Query
  readonly matches: ((document: Document) => boolean) | undefined
  readonly cut: Cut | undefined
  readonly lens: Lens
  readonly viewers = new Set<Viewer>()
  /** Get the frames: viewers by themselves, or all that are alike at once. */
  readonly receivers = new Set<Receiver>()
  readonly #log: Log
  /** The documents of the view after the last entry, where there was a snapshot; `UNKNOWN` for those that have changed since it. */
  #members: Map<string, number> | undefined
  #known: Known | undefined
  /** The first documents after the last entry, where the view has an order and the members are known. */
  #window: Window | undefined
  /** Whether changes of its members find it, so that it need not be asked at every change. */
  #found = false
  /** Entries after this sequence were taken in, the members being known. */
  #since = Number.POSITIVE_INFINITY
  #snapshot: Snapshot | undefined
  #loading: Promise<Snapshot> | undefined
  #generation = 0
  #closed = false
  readonly #onError: (error: unknown) => void

  constructor(spec: ViewSpec, log: Log, onError: (error: unknown) => void) {
    this.key = spec.key
    this.root = spec.root
    this.manifest = spec.manifest
    this.feed = spec.feed
    this.collection = spec.collection
    this.query = spec.query
    this.matches = spec.matches
    this.cut = spec.cut
    this.lens = new Lens(spec.manifest, spec.query, spec.matches, spec.cut?.order, spec.sample)
    this.#log = log
    this.#onError = onError
  }

  /** Whether the change can be shown only with the document at hand. */
  needsDocument(change: DocumentChange): boolean {
    if (this.#window) return needsDocument(this.#window, this.lens, change)
    return this.lens.needsDocument(change, this.#members?.has(idKey(change.id)))
  }

  /** Whether the log tells all that happened after a sequence: nothing, where the source was not followed yet. */
  reaches(sequence: number): boolean {
    const { floor, position } = this.feed
    return position !== undefined && sequence >= this.#log.floor && sequence >= floor
  }

  /** Whether what follows a sequence can be replayed to a client that held the view there. */
  resumes(sequence: number): boolean {
    return this.reaches(sequence) && (!this.#selects || sequence >= this.#since)
  }

  /** How many documents are known to be in the view. */
  get size(): number {
    return this.#members?.size ?? 0
  }

  /** Takes a new entry in. What viewers are to see of it goes to the batch. */
  take(entry: Entry, batch: Batch): void {
    // While the members are unknown, the entry waits in the log: the snapshot's end works it off.
    if (!this.#members && (this.#selects || this.viewers.size === 0)) return
    const visible = this.#window?.visible
    const shown = this.#show(entry, this.#members !== undefined)
    if (shown && shown !== BARRIER) batch.add(this, shown)
    if (shown !== BARRIER) return
    const replaced = entry.changes.some((one) => !('id' in one) && one.collection === this.collection)
    batch.after(() => {
      if (visible && !replaced) this.#lose(this.#knownOf(visible), 'history-lost')
      else this.reload('source-changed')
    })
  }

  /** The entry as this view shows it; null when it doesn't touch the view. Where there is a criteria, only for entries that {@link resumes} allows. */
  frame(entry: Entry): Shown | null {
    return entry.frames.get(this) ?? (this.#selects ? null : this.#show(entry, false))
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
    const loading = this.#load().finally(() => {
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
  known(): Known | undefined {
    if (this.#window) this.#known ??= this.#knownOf(this.#window.visible)
    else if (this.#members) this.#known ??= new Map(this.#members)
    return this.#known
  }

  /** Begins to follow the source; rejects when it can't be opened. */
  open(): Promise<void> {
    return this.feed.acquire(this)
  }

  /** The last viewer has left. The view may be taken up again: until then it only keeps in mind which documents it has. */
  async rest(): Promise<void> {
    this.#snapshot = undefined
    this.#known = undefined
    await this.feed.release(this, true)
  }

  /** It is not to be taken up again. */
  async close(): Promise<void> {
    this.#closed = true
    this.#forget()
    await this.feed.release(this)
  }

  /** The first documents after the last entry, where the view has an order and they are known. */
  get window(): Window | undefined {
    return this.#window
  }

  /** Whether it is not told of all documents alike: to show an entry, it must know which ones it has. */
  get #selects(): boolean {
    return this.matches !== undefined || this.cut !== undefined
  }

  /** Whether its members are known, and nobody is reading it. */
  get settled(): boolean {
    return this.#members !== undefined && this.#loading === undefined
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
    this.#lose(this.#window ? this.known() : this.#members, reason)
  }

  #lose(known: Known | undefined, reason: string): void {
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
    this.#setMembers(undefined)
    this.#since = Number.POSITIVE_INFINITY
  }

  async #load(): Promise<Snapshot> {
    const generation = this.#generation
    const stale = () => generation !== this.#generation
    for (let attempt = 0; ; attempt++) {
      if (this.#closed) throw new ParticleError('CLOSED', 'The last client of this view has left')
      await this.open()
      const pin = this.#log.pin()
      try {
        const snapshot = await loadSnapshot(this, this.#log, pin.sequence, stale, attempt)
        // Who waits for what is void by now joins those who wait for the reading that took its place.
        if (stale()) return this.snapshot()
        if (!snapshot || !this.#follow(snapshot)) continue
        this.#snapshot = snapshot
        return snapshot
      } finally {
        pin.release()
      }
    }
  }

  /** Takes the members over from a snapshot and works off what came after it; false when that can't be told as deltas. */
  #follow(snapshot: Snapshot): boolean {
    const taken = this.#members !== undefined
    this.#setMembers(snapshot.members, taken ? this.#window : snapshot.window)
    if (!taken) this.#since = snapshot.sequence
    for (const entry of this.#log.after(snapshot.sequence, this.feed)) {
      const shown = taken || !this.#selects ? this.frame(entry) : this.#show(entry, true)
      if (shown === BARRIER) {
        this.#setMembers(undefined)
        this.#since = Number.POSITIVE_INFINITY
        return false
      }
      if (shown && (taken || !this.#selects)) this.#note(shown.oplist)
    }
    return true
  }

  /** Puts other members in the place of those that were known, and lets changes of them find the view. */
  #setMembers(members: Map<string, number> | undefined, window?: Window): void {
    if (this.#found) for (const key of this.#keys) this.feed.hold(this, key, false)
    this.#members = members
    this.#window = window
    this.#known = undefined
    const count = window?.size ?? members?.size ?? MOST_HELD + 1
    this.#found = this.lens.equalities.size > 0 && count <= MOST_HELD
    if (this.#found) for (const key of this.#keys) this.feed.hold(this, key, true)
    if (window) window.onKnown = (key, known) => this.#found && this.feed.hold(this, key, known)
    this.feed.route(this, this.#found)
  }

  /** The keys of all documents whose changes it must be told of. */
  get #keys(): Iterable<string> {
    return this.#window?.keys ?? this.#members?.keys() ?? []
  }

  /** What those who see the view hold while these documents are visible. */
  #knownOf(visible: readonly Item[]): Known {
    return new Map(visible.map(({ key }) => [key, this.#members?.get(key) ?? UNKNOWN]))
  }

  /** Keeps the members as they are after operations. */
  #note(oplist: readonly DocumentOperation[]): void {
    this.#known = undefined
    for (const { operation, id, path } of oplist) {
      const key = idKey(id)
      if (path !== '.') {
        if (this.#members?.has(key)) this.#members.set(key, UNKNOWN)
      } else if (operation === 'set') {
        if (this.#found && !this.#window && !this.#members?.has(key)) this.feed.hold(this, key, true)
        this.#members?.set(key, UNKNOWN)
      } else if (operation === 'unset' && this.#members?.delete(key) && this.#found && !this.#window)
        this.feed.hold(this, key, false)
    }
  }

  #show(entry: Entry, note: boolean): Shown | null {
    let shown: Shown | null
    try {
      shown = this.#filterEntry(entry, note)
    } catch (error) {
      // What a source reports wrongly must not leave its clients wrong, nor stop the others.
      this.#onError(error)
      shown = BARRIER
    }
    if (shown) entry.frames.set(this, shown)
    return shown
  }

  #filterEntry(entry: Entry, note: boolean): Shown | null {
    const oplist: DocumentOperation[] = []
    let timestamp = ''
    for (const change of entry.changes) {
      if (change.collection !== this.collection) continue
      if (change.kind === 'clear' || change.kind === 'reload') return BARRIER
      const operations = this.#window
        ? arrange(this.#window, this.lens, change)
        : this.lens.show(change, this.#members?.has(idKey(change.id)) ?? false)
      if (operations === BARRIER) return BARRIER
      // What clients hold must be known until it is certain that they are told this.
      if (note && !this.#window) this.#note(operations)
      for (const operation of operations) oplist.push(operation)
      timestamp = change.timestamp
    }
    if (this.#window?.short) return BARRIER
    if (oplist.length === 0) return null
    if (note && this.#window) this.#note(oplist)
    return new Frame(this.root, timestamp, oplist, (bytes) => this.#log.charge(entry, bytes))
  }
}
