import { ParticleError } from '../errors.ts'
import type { Document, Id, Json } from '../model/document.ts'
import { idKey } from '../model/id.ts'
import type { DocumentOperation, Operation } from '../model/operation.ts'
import { filterDelta, type Manifest, needsDocument } from '../policy/manifest.ts'
import { encode } from '../protocol/encode.ts'
import { wireOperation } from '../protocol/messages.ts'
import type { Change, DocumentChange, Query } from '../source/source.ts'
import { documentAfter } from './change.ts'
import type { Feed } from './feed.ts'
import type { Entry, Log } from './log.ts'
import { loadSnapshot, type Snapshot } from './snapshot.ts'

/** One entry as one view shows it: filtered and encoded once, shared by all connections of the view. */
export interface Frame {
  /** The event without an id. */
  readonly body: Buffer
  /** The event with the entry's id. */
  readonly live: Buffer
}

/** An entry that can't be told as a delta: the root must be read again. */
export const BARRIER = Symbol('barrier')

/** Who looks at a view. */
export interface Viewer {
  deliver(view: View, entry: Entry, frame: Frame): void
  reset(view: View, reason: string): void
  failed(view: View): void
}

/** What a view shows: one per distinct root, manifest and resolved criteria. */
export interface ViewSpec {
  /** The same for equal views. */
  key: string
  root: string
  manifest: Manifest
  feed: Feed
  collection: string
  /** The resolved criteria; `{}` for all documents. */
  query: Query
  /** Whether a document belongs to the view; undefined when all do. */
  matches: ((document: Document) => boolean) | undefined
}

/** The filtered image of one collection, as one or many connections see it. */
export class View {
  readonly key: string
  readonly root: string
  readonly manifest: Manifest
  readonly feed: Feed
  readonly collection: string
  readonly query: Query
  readonly matches: ((document: Document) => boolean) | undefined
  readonly viewers = new Set<Viewer>()

  readonly #log: Log
  readonly #frames = new WeakMap<Entry, Frame | typeof BARRIER | null>()
  /** The ids of the documents that match, where there is a criteria; undefined until a snapshot told them. */
  #members: Set<string> | undefined
  /** Frames of entries after this sequence are known for certain. */
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
    this.#log = log
    this.#onError = onError
  }

  /** Whether the change can be shown only with the document at hand. */
  needsDocument(change: DocumentChange): boolean {
    if (change.document) return false
    if (this.matches) return true
    try {
      return change.operations.some(
        (operation) => isConditional(operation) || needsDocument(this.manifest, operation),
      )
    } catch {
      // A malformed change: its frame reports it, and a document wouldn't help.
      return false
    }
  }

  /** Whether what follows a sequence can be replayed to a client that held the view there. */
  resumes(sequence: number): boolean {
    return (
      sequence >= this.#log.floor && sequence >= this.feed.floor && (!this.matches || sequence >= this.#since)
    )
  }

  /** Takes a new entry in and hands its frame to the viewers. */
  dispatch(entry: Entry): void {
    // While the members are unknown, the entry waits in the log: the snapshot's end works it off.
    if (this.matches && !this.#members) return
    const frame = this.frame(entry)
    if (frame === null) return
    if (frame === BARRIER) {
      this.reload('source-changed')
      return
    }
    for (const viewer of this.viewers) viewer.deliver(this, entry, frame)
  }

  /** The entry as this view shows it; null when it doesn't touch the view. */
  frame(entry: Entry): Frame | typeof BARRIER | null {
    const known = this.#frames.get(entry)
    if (known !== undefined) return known
    let frame: Frame | typeof BARRIER | null
    try {
      frame = this.#encode(entry)
    } catch (error) {
      // What a source reports wrongly must not leave its clients wrong, nor stop the others.
      this.#onError(error)
      frame = BARRIER
    }
    this.#frames.set(entry, frame)
    return frame
  }

  /** The present snapshot, encoded: the one at hand while the log reaches back to it, else a new one; one reading serves all who wait. */
  snapshot(): Promise<Snapshot> {
    const snapshot = this.#snapshot
    if (
      snapshot &&
      this.resumes(snapshot.sequence) &&
      this.#log.head - snapshot.sequence <= snapshot.documents + 1000
    ) {
      return Promise.resolve(snapshot)
    }
    if (this.#loading) return this.#loading
    const loading = this.#load().finally(() => {
      if (this.#loading === loading) this.#loading = undefined
    })
    this.#loading = loading
    return loading
  }

  /** Begins to follow the source; rejects when it can't be opened. */
  open(): Promise<void> {
    return this.feed.acquire(this)
  }

  /** The last viewer has left. */
  async close(): Promise<void> {
    this.#closed = true
    this.#forget()
    await this.feed.release(this)
  }

  /** What was known is void: all viewers are reset. */
  reload(reason: string): void {
    this.#forget()
    for (const viewer of [...this.viewers]) viewer.reset(this, reason)
  }

  failed(): void {
    for (const viewer of [...this.viewers]) viewer.failed(this)
  }

  #forget(): void {
    this.#generation++
    this.#snapshot = undefined
    this.#loading = undefined
    this.#members = undefined
    this.#since = Number.POSITIVE_INFINITY
  }

  async #load(): Promise<Snapshot> {
    if (this.#closed) throw new ParticleError('CLOSED', 'The last client of this view has left')
    const generation = this.#generation
    const stale = () => generation !== this.#generation
    for (;;) {
      await this.open()
      const pin = this.#log.pin()
      try {
        const snapshot = await loadSnapshot(this, this.#log, pin.sequence, stale)
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

  /** Learns the members from a snapshot and works off what came after it; false when that can't be told as deltas. */
  #follow(snapshot: Snapshot): boolean {
    if (!this.matches || this.#members) return true
    this.#members = new Set(snapshot.ids)
    this.#since = snapshot.sequence
    for (let at = snapshot.sequence + 1; at <= this.#log.head; at++) {
      const entry = this.#log.at(at)
      if (!entry || entry.feed !== this.feed || this.frame(entry) !== BARRIER) continue
      this.#members = undefined
      this.#since = Number.POSITIVE_INFINITY
      return false
    }
    return true
  }

  #encode(entry: Entry): Frame | typeof BARRIER | null {
    const oplist: DocumentOperation[] = []
    let timestamp = ''
    for (const change of entry.changes) {
      if (change.collection !== this.collection) continue
      const operations = this.#show(change)
      if (operations === BARRIER) return BARRIER
      for (const operation of operations) oplist.push(operation)
      timestamp = change.timestamp
    }
    if (oplist.length === 0) return null
    const text = encode({
      event: 'delta',
      data: { root: this.root, timestamp, oplist: oplist.map(wireOperation) },
    })
    return { body: Buffer.from(text), live: Buffer.from(`id: ${entry.id}\n${text}`) }
  }

  #show(change: Change): DocumentOperation[] | typeof BARRIER {
    if (change.kind === 'clear' || change.kind === 'reload') return BARRIER
    if (!this.matches) return this.#filter(change, change.operations)

    const key = idKey(change.id)
    const held = this.#members?.has(key) ?? false
    const leave = (): DocumentOperation[] => {
      this.#members?.delete(key)
      return held ? [{ operation: 'unset', id: change.id, path: '.' }] : []
    }
    if (change.kind === 'delete') return leave()
    const whole = documentAfter(change)
    if (!whole) return BARRIER
    if (!this.matches(whole)) return leave()
    if (held) return this.#filter(change, change.operations)
    this.#members?.add(key)
    return this.#filter(change, [{ operation: 'set', path: '.', data: whole as Operation['data'] & object }])
  }

  #filter(change: DocumentChange, operations: readonly Operation[]): DocumentOperation[] | typeof BARRIER {
    const { id, document } = change
    const oplist = operations.map((operation) => ({ ...operation, id }))
    if (document) {
      const shown = filterDelta(this.manifest, oplist, () => document)
      return shown.some(isConditional) ? filterDelta(this.manifest, [replacement(id, document)]) : shown
    }
    if (oplist.some((operation) => needsDocument(this.manifest, operation))) return BARRIER
    const shown = filterDelta(this.manifest, oplist)
    return shown.some(isConditional) ? BARRIER : shown
  }
}

/** A `pull` by a condition never goes on the wire: browsers would need the whole query language for it. */
function isConditional({ operation, data }: Operation): boolean {
  return operation === 'pull' && typeof data === 'object' && data !== null && !Array.isArray(data)
}

function replacement(id: Id, document: Document): DocumentOperation {
  return { operation: 'set', id, path: '.', data: document as Json }
}
