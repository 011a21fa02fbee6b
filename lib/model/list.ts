import { ParticleError } from '../errors.ts'
import type { Document, Id } from './document.ts'
import { idKey } from './id.ts'
import type { DocumentOperation, Operation } from './operation.ts'

/** What an operation makes of a document, on a copy. */
type Applied = (document: Document | undefined, op: Operation) => Document | undefined

/**
 * Documents in a list, found by their ids: an update or an insert costs the same whatever their number.
 *
 * A document that was once seen is never changed: an operation puts a new one in its place, which shares what did not change.
 * Neither are the operations' data changed. The list itself is changed in place, and keeps its order.
 */
export class IndexedList {
  /** The documents in order. Read it; change it only by {@link IndexedList.apply}. */
  readonly list: Document[]
  #positions = new Map<string, number>()
  /** The list's length when it was last indexed or changed here: another one tells that someone else changed it. */
  #length = -1
  #removed = new Set<number>()

  readonly #applied: Applied

  /**
   * @param documents The list to begin with. It is not copied: it becomes {@link IndexedList.list}.
   * @param applied What an operation makes of a document, on a copy.
   */
  constructor(documents: Document[], applied: Applied) {
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
   * Applies operations in order. Those on documents that are not there do nothing, save for `set` of `.`, which inserts at the
   * end (and gives the document the operation's id, if it has none).
   *
   * @throws ParticleError `INVALID_PATH` or `INVALID_OPERATION` at the first operation that is invalid. Those before it stay
   * applied; that one and those after it change nothing.
   */
  apply(ops: readonly DocumentOperation[]): void {
    try {
      for (const op of ops) this.#applyOne(op)
    } finally {
      this.#compact()
    }
  }

  #applyOne(op: DocumentOperation): void {
    const key = idKey(op.id)
    const position = this.#find(key)
    const before = position === undefined ? undefined : this.list[position]
    let after = this.#applied(before, op)
    if (after === before) return
    if (after === undefined) {
      if (position !== undefined) this.#removed.add(position)
      this.#positions.delete(key)
      return
    }
    if (after._id === undefined) after = { ...after, _id: op.id }
    else if (idKey(after._id) !== key) {
      throw new ParticleError('INVALID_OPERATION', 'The operation set of . holds a document of another _id.')
    }
    if (position !== undefined) this.list[position] = after
    else {
      this.#positions.set(key, this.list.length)
      this.#length = this.list.push(after)
    }
  }

  #find(key: string): number | undefined {
    if (this.#length !== this.list.length) this.#index()
    const position = this.#positions.get(key)
    if (position === undefined || this.#holds(position, key)) return position
    this.#index()
    return this.#positions.get(key)
  }

  #holds(position: number, key: string): boolean {
    const id = this.list[position]?._id
    return id !== undefined && idKey(id) === key
  }

  #index(): void {
    this.#positions.clear()
    this.#length = this.list.length
    for (const [position, { _id }] of this.list.entries()) {
      if (_id !== undefined && !this.#removed.has(position)) this.#positions.set(idKey(_id), position)
    }
  }

  /** Closes the gaps of all removed documents in one pass, since each gap by itself would move the whole tail. */
  #compact(): void {
    if (this.#removed.size === 0) return
    let to = this.list.length
    for (const position of this.#removed) to = Math.min(to, position)
    for (let from = to; from < this.list.length; from += 1) {
      const document = this.list[from]
      if (document === undefined || this.#removed.has(from)) continue
      this.list[to] = document
      if (document._id !== undefined) this.#positions.set(idKey(document._id), to)
      to += 1
    }
    this.list.length = to
    this.#length = to
    this.#removed.clear()
  }
}
