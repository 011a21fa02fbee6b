import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { sourceOf } from '../../protocol/watched-root.ts'
import { estimateBytes } from '../feed/change.ts'
import type { Log } from '../feed/log.ts'
import type { ResolvedLimits } from '../options/limits.ts'
import { type Diagnostics, since } from '../support/diagnostics.ts'
import { KeyedSets } from '../support/keyed-sets.ts'
import type { Snapshot } from '../view/snapshot.ts'
import { View } from '../view/view.ts'
import type { ViewSpec } from '../view/view-spec.ts'
import type { RelatedValues } from './relation-steps.ts'
import type { Sources, SourceView, Watched } from './sources.ts'

/** Estimates the bytes of an idle view: of the view, of each of its ids, and of each place in an order. */
const VIEW_BYTES = 1_400
const ID_BYTES = 100
const ORDERED_BYTES = 150
/** Estimates the memory of a prepared criteria, as a multiple of the criteria's own bytes. */
const CRITERIA_FACTOR = 10

type ViewLimits = Pick<ResolvedLimits, 'views' | 'restingViews' | 'restingViewsPerAddress'>

/**
 * Holds the views of a server. A view without viewers is kept idle as long as the log reaches back. An idle
 * view remembers its documents' ids, so that its client can resume. All idle views together take no more
 * memory than the log may.
 */
export class Views {
  readonly #sources: Sources
  readonly #log: Log
  readonly #onError: (error: unknown, root: string) => void
  readonly #diagnostics: Diagnostics
  /** Reports a read. All views share the function, since each of its own would stay in memory. */
  readonly #onRead: ViewSpec['onRead'] = (snapshot, began, root) =>
    this.#reportRead(root, snapshot, since(began))
  readonly #views = new Map<string, View>()
  readonly #limits: ViewLimits
  /**
   * The idle views with the time of the last viewer's leave and the estimated bytes, the longest idle first.
   */
  readonly #idle = new Map<View, { left: number; bytes: number }>()
  /** The address of the client that a view was created for. */
  readonly #owners = new WeakMap<View, string>()
  /** The idle views by address. */
  readonly #resting = new KeyedSets<View>()
  #bytes = 0
  readonly #closings = new Set<Promise<void>>()

  constructor(
    sources: Sources,
    log: Log,
    onError: (error: unknown, root: string) => void,
    limits: ViewLimits,
    diagnostics: Diagnostics,
  ) {
    this.#limits = limits
    this.#sources = sources
    this.#log = log
    this.#onError = onError
    this.#diagnostics = diagnostics
  }

  /** Returns the number of views with viewers. */
  get size(): number {
    return this.#views.size - this.#idle.size
  }

  /** Returns the views with viewers. */
  get open(): View[] {
    return [...this.#views.values()].filter((view) => !this.#idle.has(view))
  }

  /**
   * Returns the views for a new stream, as {@link Views.of} does.
   *
   * @throws ParticleError `UNAVAILABLE` when the views would exceed the limit
   */
  forStream(
    identity: Json,
    related: RelatedValues | undefined,
    address: string | undefined,
    roots?: readonly string[],
  ): View[] {
    const specs = this.#specsOf(identity, related, roots)
    this.#refuseOver(specs)
    return this.#take(specs, address)
  }

  #refuseOver(specs: readonly SourceView[]): void {
    const added = specs.filter(({ key }) => !this.#views.has(key)).length
    if (added > 0 && this.size + added > this.#limits.views) {
      const what = `There are ${this.#limits.views} views: streams that need more are refused`
      this.#onError(
        new ParticleError('LIMIT_EXCEEDED', `${what}. Raise limits.views for legitimate clients`),
        '',
      )
      throw new ParticleError('UNAVAILABLE', 'The server has too many views; try again later')
    }
  }

  /**
   * Returns the views of an identity with these related values. Throws the errors of `Sources.viewsOf`.
   *
   * @param address the client's address, which limits its idle views
   * @param roots the roots that the stream is for; default: all
   */
  of(identity: Json, related?: RelatedValues, address?: string, roots?: readonly string[]): View[] {
    return this.#take(this.#specsOf(identity, related, roots), address)
  }

  /** Checks whether the documents of a root depend on relations. */
  isRelated(root: string): boolean {
    return this.#sources.isRelated(root)
  }

  #specsOf(identity: Json, related?: RelatedValues, roots?: readonly string[]): SourceView[] {
    const specs = this.#sources.viewsOf(identity, related)
    return roots ? specs.filter(({ root }) => roots.includes(root)) : specs
  }

  /**
   * Returns the view of a watched root for an identity, or undefined when the criteria shows nothing to this
   * identity.
   *
   * @throws ParticleError `UNAVAILABLE` when the view would exceed the limit
   */
  watched(
    watched: Watched,
    identity: Json,
    related: RelatedValues | undefined,
    address: string | undefined,
  ): View | undefined {
    const spec = this.#sources.watchedView(watched, identity, related)
    if (!spec) return undefined
    this.#refuseOver([spec])
    return this.#take([spec], address)[0]
  }

  #take(specs: readonly SourceView[], address: string | undefined): View[] {
    return specs.map((source) => {
      let view = this.#views.get(source.key)
      if (!view) {
        const { makeFeed, ...spec } = source
        view = new View({ ...spec, feed: makeFeed(), onRead: this.#onRead }, this.#log, this.#onError)
        this.#views.set(spec.key, view)
        if (address !== undefined) this.#owners.set(view, address)
      }
      this.#forgetIdle(view)
      view.wake()
      return view
    })
  }

  /** Handles the leave of a viewer. With `forGood`, no client returns to the view. */
  left(view: View, forGood = false): void {
    if (view.viewers.size > 0 || this.#views.get(view.key) !== view || this.#idle.has(view)) return
    // Closes a view of callbacks, whose feed is its own: nobody else keeps the feed's changes coming.
    const isShared = view.feed.index !== undefined
    if (isShared && view.settled && !forGood) {
      this.#idle.set(view, { left: Date.now(), bytes: 0 })
      const owner = this.#owners.get(view)
      this.#resting.add(owner, view)
      this.#estimate(view)
      this.#track(view.rest())
      this.#fitOwned(owner)
      this.#fit()
    } else this.#close(view)
  }

  /** Closes expired idle views, and frees unused memory of the others. */
  sweep(now: number): void {
    for (const [view, { left }] of this.#idle) {
      // Closes a view that no longer knows its documents. It would check every change without use.
      if (now - left > this.#log.replay.ms || !view.settled) this.#close(view)
      else this.#estimate(view)
    }
    this.#fit()
    for (const view of this.#views.values()) view.sweep()
  }

  /** Closes all idle views, and waits for all closings. */
  async close(): Promise<void> {
    for (const view of [...this.#idle.keys()]) this.#close(view)
    while (this.#closings.size > 0) await Promise.all(this.#closings)
  }

  #reportRead(root: string, { documents, parts }: Pick<Snapshot, 'documents' | 'parts'>, ms: number): void {
    const bytes = parts.reduce((sum, { length }) => sum + length, 0)
    // Names the source alone, since the value of a watched root's parameter may be private.
    this.#diagnostics.report('view.read', { root: sourceOf(root), documents, bytes, ms })
  }

  /** Updates the estimated bytes of an idle view, which change with its documents. */
  #estimate(view: View): void {
    const resting = this.#idle.get(view)
    if (!resting) return
    const bytes = bytesOf(view)
    this.#bytes += bytes - resting.bytes
    resting.bytes = bytes
  }

  /** Closes the longest idle views while their number or their bytes exceed a limit. */
  #fit(): void {
    for (const oldest of this.#idle.keys()) {
      if (this.#bytes <= this.#log.replay.bytes && this.#idle.size <= this.#limits.restingViews) break
      this.#close(oldest)
    }
  }

  /** Closes the longest idle views of one address while their number exceeds the limit. */
  #fitOwned(owner: string | undefined): void {
    const owned = this.#resting.of(owner)
    if (!owned) return
    for (const oldest of owned) {
      if (owned.size <= this.#limits.restingViewsPerAddress) break
      this.#close(oldest)
    }
  }

  #forgetIdle(view: View): void {
    const resting = this.#idle.get(view)
    if (!resting) return
    this.#bytes -= resting.bytes
    this.#idle.delete(view)
    this.#resting.delete(this.#owners.get(view), view)
  }

  #close(view: View): void {
    this.#forgetIdle(view)
    this.#views.delete(view.key)
    this.#track(view.close())
  }

  #track(closing: Promise<void>): void {
    const tracked = closing.finally(() => this.#closings.delete(tracked))
    this.#closings.add(tracked)
  }
}

/** Estimates the memory of an idle view, in bytes. */
export function bytesOf({ query, size, window }: View): number {
  const ordered = window ? window.weight + window.size * ORDERED_BYTES : 0
  return VIEW_BYTES + CRITERIA_FACTOR * estimateBytes(query) + size * ID_BYTES + ordered
}
