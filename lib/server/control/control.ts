import { randomBytes } from 'node:crypto'
import { ParticleError } from '../../errors.ts'
import type { Document, Id } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { Query } from '../../policy/query.ts'
import type { Decision } from '../auth/revocations.ts'
import { Barrier } from '../feed/barrier.ts'
import type { Feed } from '../feed/feed.ts'
import { Watching } from '../relations/dependencies.ts'
import type { LiveQueries } from '../relations/live-query.ts'
import { asError, messageOf } from '../support/failure.ts'
import { withTimeout } from '../support/scheduling.ts'
import { type ControlEntry, documentOf, entryOf, predicateOf } from './entry.ts'

/** The number of checks within the time after which a node counts as cut off. */
const CHECKS = 4

/** The time between two deletions of entries that concern no token any more, in milliseconds. */
const SWEEP_MS = 60_000

/** Configures the control of a server. */
export interface ControlOptions {
  feed: Feed
  collection: string
  queries: LiveQueries
  /** The name of this process, as tokens have it. */
  process: string
  /**
   * The time for which a node that can't follow the collection still opens streams, and for which it waits
   * for the store to take a decision, in milliseconds.
   */
  timeout: number
  /** The time for which a decision may concern a token, in milliseconds. */
  lifetime: number
  /** Applies a decision of another node. */
  apply: (decision: Decision, process: string) => void
  onError: (error: Error) => void
}

/**
 * Carries decisions about rights to all nodes, by a collection of the store that they share:
 *
 *    revoke(query) --> own decision, then append() --> the store --> live query of each node --> apply()
 *
 * A check asks the store for its position, and waits until this node has followed so far. A node without a
 * successful check within the time-out may lack decisions, and opens no streams.
 */
export class Control {
  readonly #options: ControlOptions
  readonly #barrier: Barrier
  /** The entries that were applied or refused here, each with the time of its end. */
  readonly #entries = new Map<string, { id: Id; until: number }>()
  #watching: Watching | undefined
  /** The begin of the last check that succeeded, by the process's own clock. */
  #followed = Number.NEGATIVE_INFINITY
  /** The check that runs, which all callers share. */
  #checking: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #swept = Number.NEGATIVE_INFINITY
  #isReported = false
  /** Marks a store without the collection, which must be created first. */
  #isMissing = false
  #closed = false

  constructor(options: ControlOptions) {
    this.#options = options
    this.#barrier = new Barrier(options.feed)
  }

  /** Whether this node knows all decisions, apart from those of the last moment. */
  get isCurrent(): boolean {
    return performance.now() - this.#followed <= this.#options.timeout
  }

  /**
   * Resolves when this node knows all decisions, apart from those of the last moment.
   *
   * @throws ParticleError `UNAVAILABLE` when the node can't follow the collection in time
   */
  async follow(): Promise<void> {
    this.#start()
    if (!this.isCurrent) await this.#check()
    if (!this.isCurrent) throw cutOff()
  }

  /**
   * Resolves when this node knows all decisions that were stored before the call. A lookup that begins then
   * is newer than these, and older than all that come.
   *
   * @throws ParticleError as {@link Control.follow} does
   */
  async settle(): Promise<void> {
    this.#start()
    if (!(await this.#reach())) throw cutOff()
  }

  /**
   * Stores a decision of this node for the others.
   *
   * @throws ParticleError `SOURCE_FAILED` when the store refuses the decision, or does not answer in time
   */
  async store(query: Query, { at, reason }: Decision): Promise<void> {
    const { feed, collection, process, lifetime, timeout } = this.#options
    const kind = reason === undefined ? 'refresh' : 'revoke'
    const entry: ControlEntry = { kind, query, reason: reason ?? '', process, at, until: at + lifetime }
    const id = randomBytes(12).toString('base64url')
    const failed = (why: string, cause?: unknown) =>
      new ParticleError(
        'SOURCE_FAILED',
        `The ${kind} holds on this node, but ${collection} did not take it for the other nodes. ` +
          `Call it again when the store is back: ${why}`,
        { cause },
      )
    const storing = async () => {
      await feed.adapter.append?.(collection, documentOf(id, entry))
      return true
    }
    const stored = storing().catch((cause: unknown) => {
      throw failed(messageOf(cause), cause)
    })
    // Limits the wait. A store may stall, or the driver may be connecting to it again, for hours.
    if (!(await withTimeout(stored, timeout))) throw failed(`there was no answer in ${timeout} ms`)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#watching?.close()
  }

  /** Starts to follow the collection with the first client. */
  #start(): void {
    if (this.#watching || this.#closed) return
    const { feed, collection, queries } = this.#options
    const watching = new Watching(() => this.#applyAll())
    this.#watching = watching
    const sample = (_: unknown, { isMissing = false }: { isMissing?: boolean }) => {
      this.#isMissing = isMissing
    }
    watching.add(queries, { feed, collection, query: {}, manifest: { entry: true }, sample })
    this.#applyAll()
    void this.#check()
  }

  #applyAll(): void {
    const documents = this.#watching?.documents ?? []
    const keys = new Set<string>()
    for (const document of documents) {
      const id = document._id ?? ''
      const key = idKey(id)
      keys.add(key)
      if (!this.#entries.has(key)) this.#entries.set(key, { id, until: this.#apply(document) })
    }
    for (const key of this.#entries.keys()) if (!keys.has(key)) this.#entries.delete(key)
  }

  /** Applies an entry. Returns the time of its end, which a document that is no entry does not have. */
  #apply(document: Document): number {
    const { process: own, apply, onError } = this.#options
    try {
      const { kind, query, reason, process, at, until } = entryOf(document)
      if (process !== own && until >= Date.now())
        apply({ predicate: predicateOf(query), at, reason: kind === 'revoke' ? reason : undefined }, process)
      return until
    } catch (error) {
      onError(asError(error, 'control'))
      return Number.POSITIVE_INFINITY
    }
  }

  /** Checks once that this node follows the collection, and plans the next check. */
  #check(): Promise<void> {
    this.#checking ??= this.#reach().then((isReached) => {
      this.#checking = undefined
      this.#report()
      if (this.#closed) return
      if (isReached) this.#sweep()
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => void this.#check(), this.#options.timeout / CHECKS).unref()
    })
    return this.#checking
  }

  /** Follows the collection up to the store's present. Returns false when that takes too long. */
  async #reach(): Promise<boolean> {
    const { feed, timeout } = this.#options
    const began = performance.now()
    const reaching = async () => {
      if (!(await this.#barrier.reached(await feed.ask(), timeout))) return false
      // Waits for the new read after a lost history.
      await this.#watching?.settled()
      return feed.isOpen() && !this.#isMissing
    }
    const reached = reaching().catch(() => false)
    const isReached = (await withTimeout(reached, timeout)) ?? false
    if (isReached) this.#followed = Math.max(this.#followed, began)
    return isReached
  }

  /** Reports once that this node can't follow the collection. */
  #report(): void {
    const { collection, timeout, onError } = this.#options
    if (this.isCurrent) this.#isReported = false
    if (this.isCurrent || this.#isReported || this.#closed) return
    this.#isReported = true
    const problem = this.#isMissing
      ? `There is no table ${collection} in the database, which the option control needs: create it, as ` +
        'docs/guides/nodes.md says. '
      : `The collection ${collection} of the option control could not be followed for ${timeout} ms. `
    onError(
      new ParticleError(
        'SOURCE_FAILED',
        problem +
          'This node may not know what other nodes have revoked, and opens no streams until it can follow ' +
          'again',
      ),
    )
  }

  /** Deletes the entries that concern no token any more. No client waits for that. */
  #sweep(): void {
    if (performance.now() - this.#swept < SWEEP_MS) return
    this.#swept = performance.now()
    const { feed, collection } = this.#options
    const ids = [...this.#entries.values()].flatMap(({ id, until }) => (until < Date.now() ? [id] : []))
    // Leaves them to the next sweep, or to another node, after a failure.
    if (ids.length > 0) void feed.adapter.discard?.(collection, ids).catch(() => {})
  }
}

function cutOff(): ParticleError {
  return new ParticleError('UNAVAILABLE', 'The server can not read what other nodes have revoked; try again')
}
