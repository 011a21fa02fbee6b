import { ParticleError } from '../errors.ts'
import type { Document, Model } from '../model/document.ts'
import { IndexedList } from '../model/list.ts'
import type { Delta, DocumentOperation } from '../model/operation.ts'

/** What the store needs of a `payload` event: one part of a root's documents. */
export interface PayloadPart {
  root: string
  data: Document[]
  /** From 0. */
  part: number
  last: boolean
}

/** A root that is being loaded: what has come so far, kept out of sight. */
interface Loading {
  documents: Document[]
  parts: number
  /** Operations that came before the last part; they are due after it. */
  oplist: DocumentOperation[]
}

const EMPTY: readonly Document[] = Object.freeze([])

/** The local model. A root changes at once or not at all: it is never seen half loaded. */
export class Store<M = unknown> {
  /**
   * The documents of each root, live: changes are seen here as they are applied. A document, once seen, is
   * never changed.
   */
  readonly data: Model = {}
  /** What the server says may be seen, of each root; `undefined` until it did. */
  manifest: Record<string, M> | undefined
  readonly #lists = new Map<string, IndexedList>()
  readonly #loading = new Map<string, Loading>()
  readonly #snapshots = new Map<string, readonly Document[]>()
  #snapshot: Readonly<Record<string, readonly Document[]>> | undefined

  /** Whether a root is waiting for its documents. */
  get incomplete(): boolean {
    return this.#loading.size > 0
  }

  /**
   * A stream begins. Roots that are not there any more are removed, and returned; the others keep their data
   * until it is replaced, unless the stream goes on where the last one ended (`resumed`).
   */
  begin(sources: Record<string, M>, resumed: boolean): string[] {
    const owed = new Set(
      Object.keys(sources).filter((root) => !resumed || this.#loading.has(root) || !this.#lists.has(root)),
    )
    const removed = [...this.#lists.keys()].filter((root) => !Object.hasOwn(sources, root))
    this.manifest = sources
    this.#loading.clear()
    for (const root of owed) this.reset(root)
    for (const root of removed) {
      this.#lists.delete(root)
      delete this.data[root]
      this.#forget(root)
    }
    return removed
  }

  /** What follows replaces the root; until it is complete the old data stays. */
  reset(root: string): void {
    if (this.#knows(root)) this.#loading.set(root, { documents: [], parts: 0, oplist: [] })
  }

  /**
   * Takes a part of a root's documents in. Returns whether it was the last, and the root is replaced.
   *
   * @throws ParticleError `INVALID_MESSAGE` when a part is missing
   */
  payload({ root, data, part, last }: PayloadPart): boolean {
    if (!this.#knows(root)) return false
    if (part === 0 && !this.#loading.get(root)?.oplist.length) this.reset(root)
    const loading = this.#loading.get(root)
    if (loading?.parts !== part) {
      throw new ParticleError('INVALID_MESSAGE', `Part ${part} of the payload of "${root}" came out of turn.`)
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
   * @throws ParticleError when an operation can't be applied; then nothing of the delta is
   */
  delta({ root, oplist }: Delta): boolean {
    const loading = this.#loading.get(root)
    if (loading) {
      for (const operation of oplist) loading.oplist.push(operation)
      return false
    }
    if (!this.#knows(root)) return false
    const list = this.#lists.get(root) ?? new IndexedList([])
    // One operation by itself is applied or it isn't; of many, those before the one that fails would stay.
    const before = oplist.length > 1 ? [...list.list] : list.list
    try {
      list.apply(oplist)
    } catch (error) {
      this.#show(root, new IndexedList(before))
      throw error
    }
    this.#show(root, list)
    return true
  }

  /**
   * The server has nothing more to send for now: roots that it sent nothing of (their source failed, say) are
   * there, and empty. Returns whether there were any.
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
   * A root's documents as they are now, frozen; the same array as long as nothing changes. Empty for a root
   * that is not there.
   */
  getRoot(root: string): readonly Document[] {
    let snapshot = this.#snapshots.get(root)
    const list = this.#lists.get(root)
    if (!snapshot && list) {
      snapshot = Object.freeze([...list.list])
      this.#snapshots.set(root, snapshot)
    }
    return snapshot ?? EMPTY
  }

  /** All roots as they are now, frozen; the same object as long as nothing changes. */
  getModel(): Readonly<Record<string, readonly Document[]>> {
    this.#snapshot ??= Object.freeze(
      Object.fromEntries([...this.#lists.keys()].map((root) => [root, this.getRoot(root)])),
    )
    return this.#snapshot
  }

  #knows(root: string): boolean {
    // A mock may do without a manifest.
    return root !== '__proto__' && (!this.manifest || Object.hasOwn(this.manifest, root))
  }

  #show(root: string, list: IndexedList): void {
    this.#lists.set(root, list)
    this.data[root] = list.list
    this.#forget(root)
  }

  #forget(root: string): void {
    this.#snapshots.delete(root)
    this.#snapshot = undefined
  }
}
