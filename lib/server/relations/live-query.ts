import { createHash } from 'node:crypto'
import { DocumentList } from '../../model/collection.ts'
import type { Document } from '../../model/document.ts'
import { canonicalQuery, matcher } from '../../policy/criteria.ts'
import { identityKey } from '../../policy/identity.ts'
import type { Manifest } from '../../policy/manifest.ts'
import type { Query } from '../../source/source.ts'
import type { Feed } from '../feed/feed.ts'
import { MUST_RELOAD } from '../feed/frame.ts'
import type { Log } from '../feed/log.ts'
import { retryUntil } from '../support/scheduling.ts'
import { documentsOf } from '../view/snapshot.ts'
import { View } from '../view/view.ts'
import type { Receiver, Viewer } from '../view/view-spec.ts'

/**
 * How long a watch goes on when nobody needs it any more, in milliseconds: between a handshake and its stream
 * it is not to be read twice.
 */
const LINGER_MS = 1_000

/** Which documents the server itself looks at. */
export interface LiveQuerySpec {
  feed: Feed
  collection: string
  query: Query
  /** The fields that count. */
  manifest: Manifest
}

/**
 * Documents that the server looks at on its own account: a view that no client sees, and those who are told
 * when it changes.
 */
class LiveQuery implements Viewer, Receiver {
  /**
   * The documents as they were last known; undefined before they were first read. While they are read again,
   * those of before stand.
   */
  documents: readonly Document[] | undefined
  readonly listeners = new Set<() => void>()
  readonly view: View
  readonly #log: Log
  readonly #onError: (error: unknown) => void
  readonly #key: string
  #list: DocumentList | undefined
  #digest: string | undefined
  /** Counts the readings: what an earlier one still does is of no effect. */
  #turn = 0

  constructor(key: string, { query, ...spec }: LiveQuerySpec, log: Log, onError: (error: unknown) => void) {
    const matches = Object.keys(query).length === 0 ? undefined : matcher(query)
    this.#key = key
    this.#log = log
    this.#onError = onError
    this.view = new View({ ...spec, key, root: spec.collection, query, matches }, log, onError)
    this.view.viewers.add(this)
    this.view.receivers.add(this)
    this.#read()
  }

  /**
   * Names what is looked at and the documents as they are: the same text on all nodes that have the same ones.
   * Undefined while they are read, also anew.
   */
  get digest(): string | undefined {
    if (!this.#list) return undefined
    this.#digest ??= digestOf([this.#key, ...this.#list.list.map(identityKey).sort()])
    return this.#digest
  }

  deliver(...[, , frame]: Parameters<Receiver['deliver']>): void {
    const list = this.#list
    if (!list) return
    try {
      list.apply(frame.oplist)
      this.#tell(list)
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
    // The application was told by the feed, and what was known stands meanwhile.
  }

  async close(): Promise<void> {
    this.#turn++
    this.#list = undefined
    this.view.viewers.delete(this)
    this.view.receivers.delete(this)
    await this.view.close()
  }

  #tell(list: DocumentList): void {
    this.documents = list.list
    this.#digest = undefined
    for (const listener of [...this.listeners]) listener()
  }

  #read(): void {
    const turn = ++this.#turn
    const current = () => turn === this.#turn
    this.#list = undefined
    const attempt = async () => {
      while (current()) {
        const snapshot = await this.view.snapshot()
        const documents = await documentsOf(snapshot)
        if (!current()) return
        const list = new DocumentList([...documents.values()])
        if (!this.#catchUp(list, snapshot.sequence)) continue
        this.#list = list
        this.#tell(list)
        return
      }
    }
    void retryUntil(attempt, current, this.#onError)
  }

  /** Works what came after a snapshot off, up to the present; false where that can't be told. */
  #catchUp(list: DocumentList, sequence: number): boolean {
    if (!this.view.resumes(sequence)) return false
    for (const entry of this.#log.after(sequence, this.view.feed)) {
      const shown = this.view.frame(entry)
      if (shown === MUST_RELOAD) return false
      if (shown) list.apply(shown.oplist)
    }
    return true
  }
}

/** A short text for texts: the same for the same ones. */
export function digestOf(texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('base64url').slice(0, 16)
}

/** A share in a watch, until it is released. */
export interface LiveQueryHandle {
  /** See {@link LiveQuery}. */
  readonly documents: readonly Document[] | undefined
  readonly digest: string | undefined
  release(): void
}

/** What the server looks at on its own account: equal watches are one. */
export class LiveQueries {
  readonly #log: Log
  readonly #onError: (error: unknown) => void
  readonly #watches = new Map<Feed, Map<string, LiveQuery>>()
  /** Those that nobody needs any more: how they go on, and how they end. */
  readonly #lingering = new Map<LiveQuery, { stay: () => void; end: () => void }>()
  readonly #closings = new Set<Promise<void>>()

  constructor(log: Log, onError: (error: unknown) => void) {
    this.#log = log
    this.#onError = onError
  }

  /** Looks at documents; `listener` is told, in the very step of a change, whenever they are others. */
  take(spec: LiveQuerySpec, listener: () => void): LiveQueryHandle {
    const key = JSON.stringify([spec.collection, canonicalQuery(spec.query), spec.manifest])
    const ofFeed = this.#watches.get(spec.feed) ?? new Map<string, LiveQuery>()
    this.#watches.set(spec.feed, ofFeed)
    const watch = ofFeed.get(key) ?? new LiveQuery(key, spec, this.#log, this.#onError)
    ofFeed.set(key, watch)
    this.#lingering.get(watch)?.stay()
    // Two may share a function: each has a place of its own.
    const told = () => listener()
    watch.listeners.add(told)
    const release = () => {
      if (!watch.listeners.delete(told) || watch.listeners.size > 0) return
      this.#linger(watch, () => {
        ofFeed.delete(key)
        if (ofFeed.size === 0 && this.#watches.get(spec.feed) === ofFeed) this.#watches.delete(spec.feed)
        const closing = watch.close().finally(() => this.#closings.delete(closing))
        this.#closings.add(closing)
      })
    }
    return {
      get documents() {
        return watch.documents
      },
      get digest() {
        return watch.digest
      },
      release,
    }
  }

  /** Lets go of what is of no use any more. */
  sweep(): void {
    for (const ofFeed of this.#watches.values()) for (const { view } of ofFeed.values()) view.sweep()
  }

  /** Ends what nobody needs, and waits for what is being ended. */
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
