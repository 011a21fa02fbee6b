import { ParticleError } from '../errors.ts'
import type { Document, Id, Model } from '../model/document.ts'
import { IndexedList } from '../model/list.ts'
import type { Delta, DocumentOperation } from '../model/operation.ts'
import { INSPECT } from '../model/snapshot.ts'
import type { EventData, WireManifest } from '../protocol/messages.ts'
import { isWatchedRoot } from '../protocol/watched-root.ts'

/** Holds the received parts of a root during a load. The parts stay hidden until the last one. */
interface Loading {
  documents: Document[]
  parts: number
  /** The operations that arrived before the last part. They are applied after the last part. */
  oplist: DocumentOperation[]
}

export const EMPTY: readonly Document[] = Object.freeze([])

/**
 * Holds the local model. A root changes at once or not at all, so that no listener sees a half loaded root.
 */
export class Store {
  /**
   * The documents of each root. A root's array is brought up to date when it is read here, or by
   * {@link Store.refresh}. A document itself never changes.
   */
  readonly data: Model = Object.defineProperty({}, INSPECT, {
    // Node's console would show "[Getter]" in the place of the documents.
    value: () => ({ ...this.data }),
  })
  /** The visible fields of each root. `undefined` until the server has sent the manifest. */
  manifest: Record<string, WireManifest> | undefined
  readonly #lists = new Map<string, IndexedList>()
  readonly #loading = new Map<string, Loading>()
  readonly #snapshots = new Map<string, readonly Document[]>()
  #snapshot: Readonly<Record<string, readonly Document[]>> | undefined

  /** Whether a root still lacks documents. Watched roots don't count: each has a status of its own. */
  get incomplete(): boolean {
    for (const root of this.#loading.keys()) if (!isWatchedRoot(root)) return true
    return false
  }

  /** Whether a root's documents have arrived. */
  shows(root: string): boolean {
    return this.#lists.has(root)
  }

  /** Returns a document of a root, if the root has it. */
  find(root: string, id: Id): Document | undefined {
    return this.#lists.get(root)?.get(id)
  }

  /**
   * Begins a stream. Removes and returns the roots that the stream no longer has. The other roots keep their
   * data until new data replaces it, unless the stream continues the last one (`resumed`).
   */
  begin(sources: Record<string, WireManifest>, resumed: boolean): string[] {
    const pending = new Set(
      Object.keys(sources).filter((root) => !resumed || this.#loading.has(root) || !this.#lists.has(root)),
    )
    const removed = [...this.#lists.keys()].filter((root) => !Object.hasOwn(sources, root))
    this.manifest = sources
    this.#loading.clear()
    for (const root of pending) this.reset(root)
    for (const root of removed) this.#remove(root)
    return removed
  }

  /**
   * Changes the roots of the open stream. Removes and returns the roots that the stream no longer has. New
   * roots lack their documents.
   */
  change(sources: Record<string, WireManifest>): string[] {
    const loading = [...this.#loading]
    const removed = this.begin(sources, true)
    for (const [root, parts] of loading) if (Object.hasOwn(sources, root)) this.#loading.set(root, parts)
    return removed
  }

  /** Begins a new load of a root. The old data stays visible until the load is complete. */
  reset(root: string): void {
    if (this.#knows(root)) this.#loading.set(root, { documents: [], parts: 0, oplist: [] })
  }

  /** Begins a new load of a root, and hides the old data. */
  hide(root: string): void {
    this.#remove(root)
    this.reset(root)
  }

  /**
   * Adds a part of a root's documents. Returns whether the part was the last, and has replaced the root.
   *
   * @throws ParticleError `INVALID_MESSAGE` when a part is missing
   */
  payload({ root, data, part, last }: Omit<EventData['payload'], 'timestamp'>): boolean {
    if (!this.#knows(root)) return false
    if (part === 0 && !this.#loading.get(root)?.oplist.length) this.reset(root)
    const loading = this.#loading.get(root)
    if (loading?.parts !== part) {
      throw new ParticleError(
        'INVALID_MESSAGE',
        `Part ${part} of the payload of "${root}" came out of turn: an event was lost.`,
      )
    }
    for (const document of data) loading.documents.push(document)
    loading.parts++
    if (!last) return false
    const list = new IndexedList(loading.documents)
    list.apply(loading.oplist)
    this.#loading.delete(root)
    this.#show(root, list)
    return true
  }

  /**
   * Applies a delta as a whole. Returns whether the model changed.
   *
   * @throws ParticleError when an operation can't be applied; the delta then changes nothing
   */
  delta({ root, oplist }: Delta): boolean {
    const loading = this.#loading.get(root)
    if (loading) {
      for (const operation of oplist) loading.oplist.push(operation)
      return false
    }
    // An empty delta only ends a moment.
    if (!this.#knows(root) || oplist.length === 0) return false
    const list = this.#lists.get(root) ?? new IndexedList([])
    // A failure must undo the operations before the failed one. A single operation fails as a whole.
    const before = oplist.length > 1 ? list.image() : undefined
    try {
      list.apply(oplist)
    } catch (error) {
      if (before) this.#show(root, new IndexedList(before.addTo([])))
      throw error
    }
    this.#show(root, list)
    return true
  }

  /**
   * Ends the load of all roots. Roots without data (of a failed source, for example) become empty. Returns
   * whether there were such roots.
   */
  settle(): boolean {
    this.#loading.clear()
    const missing = Object.keys(this.manifest ?? {}).filter(
      (root) => !this.#lists.has(root) && this.#knows(root),
    )
    for (const root of missing) this.#show(root, new IndexedList([]))
    return missing.length > 0
  }

  /**
   * Returns a root's current documents, frozen. The array is the same until a change, and empty for an
   * unknown root.
   */
  getRoot(root: string): readonly Document[] {
    let snapshot = this.#snapshots.get(root)
    const list = this.#lists.get(root)
    if (!snapshot && list) {
      snapshot = list.snapshot()
      this.#snapshots.set(root, snapshot)
    }
    return snapshot ?? EMPTY
  }

  /** Returns all current roots, frozen. The object is the same until a change. */
  getModel(): Readonly<Record<string, readonly Document[]>> {
    this.#snapshot ??= Object.freeze(
      Object.fromEntries([...this.#lists.keys()].map((root) => [root, this.getRoot(root)])),
    )
    return this.#snapshot
  }

  /**
   * Brings the arrays that were read of {@link Store.data} up to date, since an application may hold them.
   */
  refresh(): void {
    for (const list of this.#lists.values()) list.refresh()
  }

  #knows(root: string): boolean {
    // Accepts all roots without a manifest, which a mock may leave out.
    return root !== '__proto__' && (!this.manifest || Object.hasOwn(this.manifest, root))
  }

  #show(root: string, list: IndexedList): void {
    if (this.#lists.get(root) !== list) {
      this.#lists.set(root, list)
      Object.defineProperty(this.data, root, { get: () => list.list, enumerable: true, configurable: true })
    }
    this.#forget(root)
  }

  #remove(root: string): void {
    this.#lists.delete(root)
    delete this.data[root]
    this.#forget(root)
  }

  #forget(root: string): void {
    this.#snapshots.delete(root)
    this.#snapshot = undefined
  }
}
