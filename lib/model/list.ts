import { changed, type Owned } from './change.ts'
import type { Document, Id } from './document.ts'
import { idKey } from './id.ts'
import type { DocumentOperation, Operation } from './operation.ts'
import { refuse } from './value.ts'

/** What an operation makes of a document, on a copy. */
type Applied = (
  document: Document | undefined,
  op: Operation,
  owned: Owned | undefined,
) => Document | undefined

const plainly: Applied = (document, op, owned) => changed(document, op, undefined, owned)

/** With more gaps than this, documents are numbered anew. */
const MAX_GAPS = 2000

/**
 * Documents in a list, found by their ids: an update or an insert costs the same whatever their number. A
 * removal moves what is behind it.
 *
 * A document that was once seen is never changed: an operation puts a new one in its place, which shares what
 * did not change. Neither are the operations' data changed. The list itself is changed in place, and keeps
 * its order.
 */
export class IndexedList {
  /** The documents in order. Read it; change it only by {@link IndexedList.apply}. */
  readonly list: Document[]
  /** A number for each id: the document's position, were none before it removed. */
  #numbers = new Map<string, number>()
  /**
   * The numbers of removed documents, sorted: so many as there are before a number, its document has moved
   * up.
   */
  #gaps: number[] = []
  /**
   * The list's length when it was last indexed or changed here: another one tells that someone else changed
   * it.
   */
  #length = -1
  /** The numbers of documents that leave the list at the end of an `apply`. */
  #removed: number[] = []

  /**
   * The documents by id while operations with a place are applied: such an operation moves all behind it, so
   * that numbers
   * would have to be given anew after each.
   */
  #moving: Map<string, Document> | undefined

  readonly #applied: Applied

  /**
   * @param documents The list to begin with. It is not copied: it becomes {@link IndexedList.list}.
   * @param applied What an operation makes of a document, on a copy. Default: what a client needs, which is
   *   no condition of a `pull`.
   */
  constructor(documents: Document[], applied: Applied = plainly) {
    this.list = documents
    this.#applied = applied
  }

  /** How many documents there are. */
  get size(): number {
    return this.list.length
  }

  /** The document of that id, if it is there. */
  get(id: Id): Document | undefined {
    const position = this.#find(idKey(id))
    return position === undefined ? undefined : this.list[position]
  }

  /**
   * Applies operations in order. Those on documents that are not there do nothing, save for `set` of `.`,
   * which inserts at the end (and gives the document the operation's id, if it has none).
   *
   * @throws ParticleError `INVALID_PATH` or `INVALID_OPERATION` at the first operation that is invalid. Those
   *   before it stay applied; that one and those after it change nothing.
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
   * Closes the gaps of all removed documents in one pass, since each gap by itself would move the whole tail.
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
