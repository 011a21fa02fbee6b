import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { estimateBytes } from '../feed/change.ts'
import type { Log } from '../feed/log.ts'
import type { ResolvedLimits } from '../options/limits.ts'
import { View } from '../view/view.ts'
import type { RelatedValues } from './relation-steps.ts'
import type { Sources, SourceView } from './sources.ts'

/** Bytes that a view takes while it rests, measured: by itself, for each of its ids, and for its place in an order. */
const VIEW_BYTES = 2_200
const ID_BYTES = 100
const ORDERED_BYTES = 150
/** What a criteria takes with all that is made of it, in times of the criteria alone. */
const CRITERIA_FACTOR = 10

type ViewLimits = Pick<ResolvedLimits, 'views' | 'restingViews' | 'restingViewsPerAddress'>

/**
 * The views of a server. One that the last client has left rests as long as the log reaches back: it keeps in
 * mind which documents it has, so that the client may come back to it. What rests takes no more memory than
 * the log may.
 */
export class Views {
  readonly #sources: Sources
  readonly #log: Log
  readonly #onError: (error: unknown, root: string) => void
  readonly #views = new Map<string, View>()
  readonly #shared = new WeakSet<View>()
  readonly #limits: ViewLimits
  /** When each resting view was left, and what it is reckoned at: the longest ago first. */
  readonly #resting = new Map<View, { left: number; bytes: number }>()
  /** The address whose client a view was made for. */
  readonly #owners = new WeakMap<View, string>()
  /** By the address, the views that rest. */
  readonly #restingOf = new Map<string, Set<View>>()
  #bytes = 0
  readonly #closings = new Set<Promise<void>>()

  constructor(
    sources: Sources,
    log: Log,
    onError: (error: unknown, root: string) => void,
    limits: ViewLimits,
  ) {
    this.#limits = limits
    this.#sources = sources
    this.#log = log
    this.#onError = onError
  }

  /** How many views somebody looks at. */
  get size(): number {
    return this.#views.size - this.#resting.size
  }

  /**
   * The views for a new stream, as {@link Views.of} has them.
   * @throws ParticleError `UNAVAILABLE` where that would be more views than there may be
   */
  forStream(identity: Json, related: RelatedValues | undefined, address: string | undefined): View[] {
    const specs = this.#sources.viewsOf(identity, related)
    const added = specs.filter(({ key }) => !this.#views.has(key)).length
    if (added > 0 && this.size + added > this.#limits.views) {
      const what = `There are ${this.#limits.views} views: streams that need others are turned away`
      this.#onError(
        new ParticleError('LIMIT_EXCEEDED', `${what}. Raise limits.views if these are honest`),
        '',
      )
      throw new ParticleError('UNAVAILABLE', 'The server has too many views; try again later')
    }
    return this.#take(specs, address)
  }

  /**
   * The views of an identity that is related to these values; `Sources.viewsOf` tells what this throws.
   * @param address counts those that are made
   */
  of(identity: Json, related?: RelatedValues, address?: string): View[] {
    return this.#take(this.#sources.viewsOf(identity, related), address)
  }

  #take(specs: readonly SourceView[], address: string | undefined): View[] {
    return specs.map(({ makeFeed, shared, ...spec }) => {
      let view = this.#views.get(spec.key)
      if (!view) {
        view = new View({ ...spec, feed: makeFeed() }, this.#log, (error) => this.#onError(error, spec.root))
        this.#views.set(spec.key, view)
        if (shared) this.#shared.add(view)
        if (address !== undefined) this.#owners.set(view, address)
      }
      this.#forgetRest(view)
      view.wake()
      return view
    })
  }

  /** Somebody looks at the view no more. */
  left(view: View): void {
    if (view.viewers.size > 0 || this.#views.get(view.key) !== view || this.#resting.has(view)) return
    if (this.#shared.has(view) && view.settled) {
      this.#resting.set(view, { left: Date.now(), bytes: 0 })
      this.#restingOwned(view)?.add(view)
      this.#reckon(view)
      this.#track(view.rest())
      const owned = this.#restingOf.get(this.#owners.get(view) ?? '')
      if (owned) this.#fitOwned(owned)
      this.#fit()
    } else this.#close(view)
  }

  /** Lets go of what is of no use any more. */
  sweep(now: number): void {
    for (const [view, { left }] of this.#resting) {
      // One that knows its documents no more would only be asked at every change.
      if (now - left > this.#log.replay.ms || !view.settled) this.#close(view)
      else this.#reckon(view)
    }
    this.#fit()
    for (const view of this.#views.values()) view.sweep()
  }

  /** Closes all that rest, and waits for what is being closed. */
  async close(): Promise<void> {
    for (const view of [...this.#resting.keys()]) this.#close(view)
    while (this.#closings.size > 0) await Promise.all(this.#closings)
  }

  /** What a view takes while it rests changes with its documents. */
  #reckon(view: View): void {
    const resting = this.#resting.get(view)
    if (!resting) return
    const bytes = bytesOf(view)
    this.#bytes += bytes - resting.bytes
    resting.bytes = bytes
  }

  /** Closes those that rest the longest while there are more, or all take more, than they may. */
  #fit(): void {
    for (const oldest of this.#resting.keys()) {
      if (this.#bytes <= this.#log.replay.bytes && this.#resting.size <= this.#limits.restingViews) break
      this.#close(oldest)
    }
  }

  /** Closes those of one address that rest the longest while there are more than there may be. */
  #fitOwned(owned: ReadonlySet<View>): void {
    for (const oldest of owned) {
      if (owned.size <= this.#limits.restingViewsPerAddress) break
      this.#close(oldest)
    }
  }

  /** The views that rest and were made for the same address. */
  #restingOwned(view: View): Set<View> | undefined {
    const owner = this.#owners.get(view)
    if (owner === undefined) return undefined
    const owned = this.#restingOf.get(owner) ?? new Set()
    this.#restingOf.set(owner, owned)
    return owned
  }

  #forgetRest(view: View): void {
    const resting = this.#resting.get(view)
    if (!resting) return
    this.#bytes -= resting.bytes
    this.#resting.delete(view)
    const owner = this.#owners.get(view) ?? ''
    const owned = this.#restingOf.get(owner)
    owned?.delete(view)
    if (owned?.size === 0) this.#restingOf.delete(owner)
  }

  #close(view: View): void {
    this.#forgetRest(view)
    this.#views.delete(view.key)
    this.#track(view.close())
  }

  #track(closing: Promise<void>): void {
    const tracked = closing.finally(() => this.#closings.delete(tracked))
    this.#closings.add(tracked)
  }
}

/** What a view takes while it rests, about, in bytes. */
export function bytesOf({ query, size, window }: View): number {
  const ordered = window ? window.weight + window.size * ORDERED_BYTES : 0
  return VIEW_BYTES + CRITERIA_FACTOR * estimateBytes(query) + size * ID_BYTES + ordered
}
