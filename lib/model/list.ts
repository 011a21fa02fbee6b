import { changed, type Owned } from './change.ts'
import type { Document, Id } from './document.ts'
import { idKey } from './id.ts'
import type { DocumentOperation, Operation } from './operation.ts'
import { refuse } from './value.ts'

/** Applies an operation to a copy of a document. */
type Applied = (
  document: Document | undefined,
  op: Operation,
  owned: Owned | undefined,
) => Document | undefined

const plainly: Applied = (document, op, owned) => changed(document, op, undefined, owned)

/** Limits the gaps before all documents get new numbers. */
const MAX_GAPS = 2000

/**
 * Keeps documents in a list with an index by id: an update or an insert costs the same in a list of any
 * length. A removal moves all later documents.
 *
 * A document in the list is never changed: an operation replaces the document by a new object, which shares
 * all unchanged parts. The data of operations is not changed either. The list itself is changed in place, and
 * keeps its order.
 */
export class IndexedList {
  /** The documents in order. Read this list; change it only by {@link IndexedList.apply}. */
  readonly list: Document[]
  /** A number for each id: the document's position, if no earlier document had been removed. */
  #numbers = new Map<string, number>()
  /**
   * The numbers of removed documents, sorted. A document's position is its number minus the smaller numbers
   * here.
   */
  #gaps: number[] = []
  /**
   * The list's length after the last indexing or change here. A different length shows a change by other
   * code.
   */
  #length = -1
  /** The numbers of documents that leave the list at the end of an `apply`. */
  #removed: number[] = []

  /**
   * The documents by id during operations with a position. Such an operation moves all later documents, so
   * that their numbers would change after each operation.
   */
  #moving: Map<string, Document> | undefined

  readonly #applied: Applied

  /**
   * @param documents the initial list, which is not copied but becomes {@link IndexedList.list}
   * @param applied applies an operation to a copy of a document. Default: a client's way, without conditions
   *   of a `pull`
   */
  constructor(documents: Document[], applied: Applied = plainly) {
    this.list = documents
    this.#applied = applied
  }

  /** The number of documents. */
  get size(): number {
    return this.list.length
  }

  /** Returns the document with that id, if the list has it. */
  get(id: Id): Document | undefined {
    const position = this.#find(idKey(id))
    return position === undefined ? undefined : this.list[position]
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
    try {
      for (const op of ops) this.#applyOne(op, owned)
    } finally {
      this.#compact()
      if (this.#moving) this.#length = -1
      this.#moving = undefined
    }
  }

  #applyOne(op: DocumentOperation, owned: Owned | undefined): void {
    const key = idKey(op.id)
    const position = this.#find(key)
    const before = position === undefined ? undefined : this.list[position]
    let after = this.#applied(before, op, owned)
    if (after === undefined) {
      if (position === undefined) return
      if (this.#moving) {
        this.#moving.delete(key)
        this.list.splice(position, 1)
        return
      }
      this.#removed.push(this.#numbers.get(key) ?? 0)
      this.#numbers.delete(key)
      this.list[position] = undefined as never
      return
    }
    if (after === before && op.at === undefined) return
    if (after._id === undefined) after = { ...after, _id: op.id }
    else if (idKey(after._id) !== key) refuse(op, 'a document of the same _id')
    if (op.at !== undefined && (before || op.at < this.list.length)) {
      this.#compact()
      this.#moving ??= this.#byId()
      if (before) this.list.splice(this.list.indexOf(before), 1)
      this.list.splice(op.at, 0, after)
    } else if (position !== undefined) this.list[position] = after
    else if (this.#moving) this.list.push(after)
    else {
      this.#numbers.set(key, this.list.length + this.#gaps.length)
      this.#length = this.list.push(after)
    }
    this.#moving?.set(key, after)
  }

  #byId(): Map<string, Document> {
    const found = new Map<string, Document>()
    for (const document of this.list) if (document._id !== undefined) found.set(idKey(document._id), document)
    return found
  }

  #find(key: string): number | undefined {
    if (this.#moving) {
      const document = this.#moving.get(key)
      return document && this.list.indexOf(document)
    }
    if (this.#length !== this.list.length) this.#index()
    const position = this.#position(this.#numbers.get(key))
    if (position === undefined) return position
    const id = this.list[position]?._id
    if (id !== undefined && idKey(id) === key) return position
    this.#index()
    return this.#numbers.get(key)
  }

  #position(number: number | undefined): number | undefined {
    if (number === undefined) return number
    let low = 0
    for (let high = this.#gaps.length; low < high; ) {
      const middle = (low + high) >> 1
      if ((this.#gaps[middle] ?? 0) < number) low = middle + 1
      else high = middle
    }
    return number - low
  }

  #index(): void {
    this.#compact()
    this.#numbers.clear()
    this.#gaps = []
    this.#length = this.list.length
    for (const [position, { _id }] of this.list.entries()) {
      if (_id !== undefined) this.#numbers.set(idKey(_id), position)
    }
  }

  /**
   * Closes the gaps of all removed documents in one pass, because one pass per gap would move the whole tail
   * each time.
   */
  #compact(): void {
    const { list } = this
    const removed = this.#removed
    if (removed.length === 0) return
    if (removed.length === 1) list.splice(this.#position(removed[0]) ?? 0, 1)
    else {
      let to = 0
      for (const document of list) if (document) list[to++] = document
      list.length = to
    }
    this.#gaps = [...this.#gaps, ...removed].sort((a, b) => a - b)
    this.#removed = []
    this.#length = this.#gaps.length > MAX_GAPS ? -1 : list.length
  }
}
