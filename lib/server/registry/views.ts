import type { Json } from '../../model/document.ts'
import type { Log } from '../feed/log.ts'
import { View } from '../view/view.ts'
import type { RelatedValues } from './relation-steps.ts'
import type { Sources } from './sources.ts'

/** Estimates the bytes of an idle view and of each of its ids. */
const VIEW_BYTES = 1_000
const ID_BYTES = 100

/**
 * Holds the views of a server. A view without viewers is kept idle as long as the log reaches back. An idle
 * view remembers its documents' ids, so that its client can resume. All idle views together take no more
 * memory than the log may.
 */
export class Views {
  readonly #sources: Sources
  readonly #log: Log
  readonly #onError: (error: unknown, root: string) => void
  readonly #views = new Map<string, View>()
  readonly #shared = new WeakSet<View>()
  /**
   * The idle views with the time of the last viewer's leave and the estimated bytes, the longest idle first.
   */
  readonly #idle = new Map<View, { left: number; bytes: number }>()
  #bytes = 0
  readonly #closings = new Set<Promise<void>>()

  constructor(sources: Sources, log: Log, onError: (error: unknown, root: string) => void) {
    this.#sources = sources
    this.#log = log
    this.#onError = onError
  }

  /** Returns the number of views with viewers. */
  get size(): number {
    return this.#views.size - this.#idle.size
  }

  /** Returns the views of an identity with these related values. Throws the errors of `Sources.viewsOf`. */
  of(identity: Json, related?: RelatedValues): View[] {
    return this.#sources.viewsOf(identity, related).map(({ makeFeed, shared, ...spec }) => {
      let view = this.#views.get(spec.key)
      if (!view) {
        view = new View({ ...spec, feed: makeFeed() }, this.#log, (error) => this.#onError(error, spec.root))
        this.#views.set(spec.key, view)
        if (shared) this.#shared.add(view)
      }
      this.#wake(view)
      return view
    })
  }

  /** Handles the leave of a viewer. */
  left(view: View): void {
    if (view.viewers.size > 0 || this.#views.get(view.key) !== view || this.#idle.has(view)) return
    if (this.#shared.has(view) && view.settled) {
      this.#idle.set(view, { left: Date.now(), bytes: 0 })
      this.#estimate(view)
      this.#track(view.rest())
      this.#fit()
    } else this.#close(view)
  }

  /** Closes expired idle views, and frees unused memory of the others. */
  sweep(now: number): void {
    for (const [view, { left }] of this.#idle) {
      if (now - left > this.#log.replay.ms) this.#close(view)
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

  /** Updates the estimated bytes of an idle view, which change with its documents. */
  #estimate(view: View): void {
    const resting = this.#idle.get(view)
    if (!resting) return
    const bytes = VIEW_BYTES + view.size * ID_BYTES + (view.window?.weight ?? 0)
    this.#bytes += bytes - resting.bytes
    resting.bytes = bytes
  }

  /** Closes the longest idle views until the rest fit into the log's limit. */
  #fit(): void {
    for (const oldest of this.#idle.keys()) {
      if (this.#bytes <= this.#log.replay.bytes) break
      this.#close(oldest)
    }
  }

  #wake(view: View): void {
    this.#bytes -= this.#idle.get(view)?.bytes ?? 0
    this.#idle.delete(view)
  }

  #close(view: View): void {
    this.#wake(view)
    this.#views.delete(view.key)
    this.#track(view.close())
  }

  #track(closing: Promise<void>): void {
    const tracked = closing.finally(() => this.#closings.delete(tracked))
    this.#closings.add(tracked)
  }
}
