import { changed, type Owned } from './change.ts'
import type { Document, Id } from './document.ts'
import { mapKey } from './id.ts'
import type { DocumentOperation, Operation } from './operation.ts'
import { Entry, type Image, Sequence } from './sequence.ts'
import { frozenView } from './snapshot.ts'
import { refuse } from './value.ts'

/** Applies an operation to a copy of a document. */
type Applied = (
  document: Document | undefined,
  op: Operation,
  owned: Owned | undefined,
) => Document | undefined

const plainly: Applied = (document, op, owned) => changed(document, op, undefined, owned)

/** Copies and moves the array of a list up to this size at once: that takes a few microseconds. */
const SMALL_LIST = 10_000

/** Limits the moves of a longer array between two readings of it. After more, it is filled anew. */
const MAX_MOVES = 32

/**
 * Holds documents in order, and finds them by their ids. An operation costs O(log n), wherever its document
 * is.
 *
 * A document that was once seen is never changed: an operation puts a new one in its place, which shares what
 * did not change. Neither are the operations' data changed.
 */
export class IndexedList {
  /** The documents as an array, unless it is not current. */
  #array: Document[]
  #isCurrent = true
  /** The moves of the array since it was read. */
  #moves = 0
  /** Whether someone may hold the array. */
  #read = false
  /** The entries by the keys of their ids. */
  readonly #entries = new Map<string | number, Entry>()
  /** The documents in order. `undefined` until the first operation. */
  #sequence: Sequence | undefined

  readonly #applied: Applied

  /**
   * @param documents the initial list, which is not copied but becomes {@link IndexedList.list}
   * @param applied applies an operation to a copy of a document. Default: a client's way, without conditions
   *   of a `pull`
   */
  constructor(documents: Document[], applied: Applied = plainly) {
    this.#array = documents
    this.#applied = applied
  }

  /**
   * Returns the documents in order, always in the same array. Read the array; change it only by
   * {@link IndexedList.apply}. The array of a list of more than 10,000 documents may lack later insertions,
   * moves and removals until this is read again.
   */
  get list(): Document[] {
    this.#read = true
    this.#moves = 0
    if (!this.#isCurrent) {
      this.#array.length = 0
      this.#sequence?.image().addTo(this.#array)
      this.#isCurrent = true
    }
    return this.#array
  }

  /** Brings the array up to date, if {@link IndexedList.list} was read before. */
  refresh(): void {
    if (this.#read) void this.list
  }

  /** Returns the number of documents. */
  get size(): number {
    return this.#indexed().size
  }

  /**
   * Returns the documents as a frozen array, which is a copy where there are at most 10,000, and else a view
   * of an image.
   */
  snapshot(): readonly Document[] {
    return this.size > SMALL_LIST ? frozenView(this.image()) : Object.freeze([...this.list])
  }

  /** Returns an immutable image of the documents. It costs O(log n) after a change. */
  image(): Image {
    return this.#indexed().image()
  }

  /** Returns the document with that id, if the list has it. */
  get(id: Id): Document | undefined {
    this.#indexed()
    return this.#entries.get(mapKey(id))?.document
  }

  /**
   * Applies operations in order. Operations on missing documents do nothing, except `set` of `.`, which
   * inserts at the end (and gives a document without an id the operation's id).
   *
   * @throws ParticleError `INVALID_PATH` or `INVALID_OPERATION` at the first invalid operation. The
   *   operations before it stay applied; the invalid operation and all later ones change nothing.
   */
  apply(ops: readonly DocumentOperation[]): void {
    const owned: Owned | undefined = ops.length > 1 ? new Set() : undefined
    for (const op of ops) this.#applyOne(op, owned)
  }

  #applyOne(op: DocumentOperation, owned: Owned | undefined): void {
    const key = mapKey(op.id)
    const sequence = this.#indexed()
    const entry = this.#entries.get(key)
    const before = entry?.document
    const position = entry && this.#isCurrent ? sequence.position(entry) : 0
    if (entry && this.#isCurrent && this.#array[position] !== before) {
      // Someone else has changed the array there.
      this.#sequence = undefined
      this.#applyOne(op, owned)
      return
    }
    let after = this.#applied(before, op, owned)
    if (after && (after !== before || op.at !== undefined)) {
      if (after._id === undefined) after = { ...after, _id: op.id }
      else if (after._id !== op.id && mapKey(after._id) !== key) refuse(op, 'a document of the same _id')
      if (entry && op.at === undefined) {
        sequence.replace(entry, after)
        this.#edit(position, 1, after)
        return
      }
    } else if (after || !entry) return
    if (entry) {
      sequence.remove(entry)
      this.#entries.delete(key)
      this.#edit(position, 1)
    }
    if (!after) return
    const fresh = new Entry(after)
    const at = Math.min(op.at ?? sequence.size, sequence.size)
    sequence.insert(fresh, at)
    this.#entries.set(key, fresh)
    this.#edit(at, 0, after)
  }

  /** Changes the array at once where that is cheap, else when the array is read. */
  #edit(at: number, removed: number, document?: Document): void {
    const array = this.#array
    if (!this.#isCurrent) return
    if (document && (removed || at === array.length)) array[at] = document
    else if (array.length > SMALL_LIST && ++this.#moves > MAX_MOVES) this.#isCurrent = false
    else if (document) array.splice(at, 0, document)
    else array.splice(at, 1)
  }

  #indexed(): Sequence {
    const array = this.#array
    if (this.#sequence && (!this.#isCurrent || array.length === this.#sequence.size)) return this.#sequence
    this.#entries.clear()
    const sequence = new Sequence()
    for (const document of array) {
      const entry = new Entry(document)
      sequence.add(entry)
      if (document._id !== undefined) this.#entries.set(mapKey(document._id), entry)
    }
    if (sequence.size > SMALL_LIST && !this.#read) {
      this.#array = []
      this.#isCurrent = false
    }
    this.#sequence = sequence
    return sequence
  }
}
