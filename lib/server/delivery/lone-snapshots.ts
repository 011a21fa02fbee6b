import type { View } from '../view/view.ts'

/** Limits the bytes of the snapshots of views with one client each. The newest is kept in any case. */
const MAX_BYTES = 1024 * 1024

/** Estimates the bytes of a snapshot besides its events. */
const SNAPSHOT_BYTES = 600

/**
 * Frees the snapshots of views with one client, which has the snapshot. A second client mostly comes soon, or
 * never: the newest snapshots are kept for it, and others are read again. Ten thousand views of ten documents
 * would keep 20 MB. A view with more clients keeps its snapshot.
 */
export class LoneSnapshots {
  /** The estimated bytes of the snapshots, the oldest first. */
  readonly #views = new Map<View, number>()
  #bytes = 0

  /** Notes that the clients which have asked for a view's snapshot have it. */
  add(view: View, bytes: number): void {
    this.#delete(view)
    if (view.viewers.size > 1) return
    this.#views.set(view, bytes + SNAPSHOT_BYTES)
    this.#bytes += bytes + SNAPSHOT_BYTES
    for (const oldest of this.#views.keys()) {
      if (this.#bytes <= MAX_BYTES || oldest === view) break
      this.#delete(oldest)
      if (oldest.viewers.size <= 1) oldest.free()
    }
  }

  /** Forgets the views without a client, which have freed their snapshots, and those with several. */
  sweep(): void {
    for (const view of this.#views.keys()) if (view.viewers.size !== 1) this.#delete(view)
  }

  #delete(view: View): void {
    this.#bytes -= this.#views.get(view) ?? 0
    this.#views.delete(view)
  }
}
