import { createHash } from 'node:crypto'
import { DocumentList } from '../../model/collection.ts'
import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { canonicalQuery, matcher } from '../../policy/criteria.ts'
import { identityKey } from '../../policy/identity.ts'
import type { Manifest } from '../../policy/manifest.ts'
import type { Query } from '../../source/source.ts'
import { isOfDocument } from '../feed/change.ts'
import { CollectionEntries, type SequenceOf } from '../feed/collection-entries.ts'
import type { Feed } from '../feed/feed.ts'
import type { Log } from '../feed/log.ts'
import { PendingRights } from '../feed/pending-rights.ts'
import { retryUntil } from '../support/scheduling.ts'
import type { Sample } from '../view/filter.ts'
import { operationsAfter } from '../view/later-entries.ts'
import { documentsOf } from '../view/snapshot.ts'
import { View } from '../view/view.ts'
import type { Receiver, Viewer } from '../view/view-spec.ts'

/**
 * Sets the time that an unused live query stays open, in milliseconds. A handshake and its stream then share
 * one read.
 */
const LINGER_MS = 1_000

/** Selects the documents of a live query. */
export interface LiveQuerySpec {
  feed: Feed
  collection: string
  query: Query
  /** The fields whose changes matter. */
  manifest: Manifest
  /** Learns at each read whether the store lacks the collection. */
  sample?: Sample
}

/** Listens to a live query. */
export interface LiveQueryListener {
  /** Called synchronously with each change of the documents. */
  changed(): void
  /** Called when the known documents are read again: see {@link LiveQuery.isStale}. */
  doubted?(): void
}

/**
 * Follows documents for the server itself. A live query has a view without clients, and listeners that are
 * called after each change.
 */
class LiveQuery implements Viewer, Receiver {
  /** The last known documents; undefined before the first read. They stay during a new read. */
  documents: readonly Document[] | undefined
  readonly listeners = new Set<LiveQueryListener>()
  readonly view: View
  readonly #log: Log
  readonly #entries: CollectionEntries
  readonly #onError: (error: unknown) => void
  readonly #key: string
  #list: DocumentList | undefined
  #digest: string | undefined
  /** Counts the reads. Work of an earlier read is discarded. */
  #generation = 0

  constructor(
    key: string,
    { query, ...spec }: LiveQuerySpec,
    log: Log,
    entries: CollectionEntries,
    onError: (error: unknown) => void,
  ) {
    const matches = Object.keys(query).length === 0 ? undefined : matcher(query)
    this.#key = key
    this.#log = log
    this.#entries = entries
    this.#onError = onError
    const made = { ...spec, key, root: spec.collection, query, matches, decides: true }
    this.view = new View(made, log, onError)
    this.view.viewers.add(this)
    this.view.receivers.add(this)
    this.#read()
  }

  /**
   * Identifies the query and its current documents. Nodes with the same documents have the same text. Returns
   * undefined during a read.
   */
  get digest(): string | undefined {
    if (!this.#list) return undefined
    this.#digest ??= digestOf([this.#key, ...this.#list.list.map(identityKey).sort()])
    return this.#digest
  }

  /**
   * Checks that the documents have not changed since a client's position, not even for a while. Otherwise a
   * right that follows from them may have ended and come back. Returns false when the log can't tell.
   */
  isUnchangedSince(sequenceOf: SequenceOf): boolean {
    const { feed, collection, filter } = this.view
    const sequence = sequenceOf(feed)
    if (sequence === undefined || !this.#list) return false
    const found = this.#entries.after(sequence, feed, collection)
    if (!found || found.length === 0) return found !== undefined
    const held = new Set(this.#list.list.map(({ _id }) => idKey(_id ?? null)))
    return found.every((entry) =>
      entry
        .changesOf(collection)
        .every((change) => isOfDocument(change) && !filter.mayAffect(change, held.has(idKey(change.id)))),
    )
  }

  /** Whether the known documents are read again, and may be out of date. */
  get isStale(): boolean {
    return this.documents !== undefined && !this.#list
  }

  deliver(...[, , frame]: Parameters<Receiver['deliver']>): void {
    const list = this.#list
    if (!list) return
    try {
      list.apply(frame.oplist)
      this.#notify(list)
    } catch (error) {
      this.#onError(error)
      this.#read()
    }
  }

  reset(): void {
    this.#read()
  }

  differ(): void {
    this.#read()
  }

  failed(): void {
    // Keeps the known documents. The feed has reported the error to the application.
  }

  async close(): Promise<void> {
    this.#generation++
    this.#list = undefined
    this.view.viewers.delete(this)
    this.view.receivers.delete(this)
    await this.view.close()
  }

  #notify(list: DocumentList): void {
    this.documents = list.list
    this.#digest = undefined
    for (const listener of [...this.listeners]) listener.changed()
  }

  #read(): void {
    const generation = ++this.#generation
    const current = () => generation === this.#generation
    this.#list = undefined
    if (this.isStale) for (const listener of [...this.listeners]) listener.doubted?.()
    const attempt = async () => {
      while (current()) {
        const snapshot = await this.view.snapshot()
        const documents = await documentsOf(snapshot)
        if (!current()) return
        const { sequence } = snapshot
        // Reads again where the log can't supply the changes after the snapshot.
        const later = this.view.resumes(sequence) && operationsAfter(this.view, this.#log, sequence)
        if (!later) continue
        const list = new DocumentList([...documents.values()])
        list.apply(later)
        this.#list = list
        this.#notify(list)
        return
      }
    }
    void retryUntil(attempt, current, this.#onError)
  }
}

/** Hashes texts to a short text. */
export function digestOf(texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('base64url').slice(0, 16)
}

/** Shares a live query until `release`. */
export interface LiveQueryHandle {
  readonly query: Pick<LiveQuery, 'documents' | 'digest' | 'isStale' | 'isUnchangedSince'>
  release(): void
}

/** Holds the server's live queries. Equal specs share one live query. */
export class LiveQueries {
  /** The changes of rights that follow from the documents. */
  readonly rights: PendingRights
  readonly #log: Log
  readonly #entries: CollectionEntries
  readonly #onError: (error: unknown) => void
  readonly #watches = new Map<Feed, Map<string, LiveQuery>>()
  /** The unused live queries, each with functions that keep or close it. */
  readonly #lingering = new Map<LiveQuery, { stay: () => void; end: () => void }>()
  readonly #closings = new Set<Promise<void>>()

  constructor(log: Log, onError: (error: unknown) => void, rights = new PendingRights()) {
    this.#log = log
    this.#entries = new CollectionEntries(log)
    this.#onError = onError
    this.rights = rights
  }

  /** Opens or shares a live query. */
  take(spec: LiveQuerySpec, listener: LiveQueryListener): LiveQueryHandle {
    const key = JSON.stringify([spec.collection, canonicalQuery(spec.query), spec.manifest])
    const ofFeed = this.#watches.get(spec.feed) ?? new Map<string, LiveQuery>()
    this.#watches.set(spec.feed, ofFeed)
    const watch = ofFeed.get(key) ?? new LiveQuery(key, spec, this.#log, this.#entries, this.#onError)
    ofFeed.set(key, watch)
    this.#lingering.get(watch)?.stay()
    // Copies the listener, so that one listener can be given twice.
    const entry = { ...listener }
    watch.listeners.add(entry)
    const release = () => {
      if (!watch.listeners.delete(entry) || watch.listeners.size > 0) return
      this.#linger(watch, () => {
        ofFeed.delete(key)
        if (ofFeed.size === 0 && this.#watches.get(spec.feed) === ofFeed) this.#watches.delete(spec.feed)
        const closing = watch.close().finally(() => this.#closings.delete(closing))
        this.#closings.add(closing)
      })
    }
    return { query: watch, release }
  }

  /** Frees unused memory of the views. */
  sweep(): void {
    this.#entries.sweep()
    for (const ofFeed of this.#watches.values()) for (const { view } of ofFeed.values()) view.sweep()
  }

  /** Closes the unused live queries, and waits for all closings. */
  async close(): Promise<void> {
    for (const { end } of [...this.#lingering.values()]) end()
    while (this.#closings.size > 0) await Promise.all(this.#closings)
  }

  #linger(watch: LiveQuery, close: () => void): void {
    const stay = () => {
      clearTimeout(timer)
      this.#lingering.delete(watch)
    }
    const end = () => {
      stay()
      close()
    }
    const timer = setTimeout(end, LINGER_MS).unref()
    this.#lingering.set(watch, { stay, end })
  }
}
