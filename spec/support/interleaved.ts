import { applyOp } from '../../lib/model/apply.ts'
import type { Document, Id } from '../../lib/model/document.ts'
import type { Operation } from '../../lib/model/operation.ts'
import { matcher } from '../../lib/policy/criteria.ts'
import { Order } from '../../lib/policy/order.ts'
import type {
  Adapter,
  Change,
  ChangeListener,
  DocumentChange,
  Query,
  ReadOptions,
} from '../../lib/source/source.ts'

/** A store that is written to while it is read: between two documents of a reading, and before its changes are told. */
export class Interleaved implements Adapter {
  readonly name = 'interleaved'
  readonly documents = new Map<Id, Document>()
  reads = 0
  /** Runs before the document of that number is read, and once more before the reading ends. */
  during: (index: number) => void | Promise<void> = () => {}
  /** Whether it gives no more than are wanted of an order. */
  sorts = false
  /** Whether changes wait until `tell()`. */
  late = false
  #position = 0
  #untold: Change[] = []
  #listener: ChangeListener | undefined

  constructor(documents: Document[] = []) {
    for (const document of documents) this.documents.set(document._id ?? null, document)
  }
  async open(listener: ChangeListener) {
    this.#listener = listener
    return { position: String(this.#position), close: async () => {} }
  }
  compare(a: string, b: string) {
    return Number(a) - Number(b)
  }
  async read(
    _collection: string,
    query: Query,
    each: (documents: Document[]) => void | Promise<void>,
    options?: ReadOptions,
  ) {
    this.reads++
    const from = String(this.#position)
    const matches = matcher(query)
    const ids = [...this.documents.keys()]
    const found: Document[] = []
    for (const [index, id] of ids.entries()) {
      await this.during(index)
      const document = this.documents.get(id)
      if (!document || !matches(document)) continue
      if (options && this.sorts) found.push(document)
      else await each([document])
    }
    await this.during(ids.length)
    if (options && found.length > 0) await each(first(found, options))
    const to = String(this.#position)
    setImmediate(() => this.tell())
    return { from, to }
  }
  async lookup(_collection: string, ids: readonly Id[]) {
    return ids.map((id) => this.documents.get(id)).filter((document) => document !== undefined)
  }
  get position(): string {
    return String(this.#position)
  }
  tell(count = this.#untold.length): void {
    const told = this.#untold.splice(0, count)
    const last = told.at(-1)
    if (last) this.#listener?.changes(told, last.position)
  }
  put(document: Document): void {
    const id = document._id ?? null
    const kind = this.documents.has(id) ? 'replace' : 'insert'
    this.documents.set(id, document)
    this.#report({ kind, id, operations: [{ operation: 'set', path: '.', data: document as never }] })
  }
  /** `exact` tells the document with the change. */
  update(id: Id, operation: Operation, exact: boolean): void {
    const before = this.documents.get(id)
    if (!before) return
    const document = structuredClone(before)
    try {
      applyOp(document, operation)
    } catch {
      return
    }
    this.documents.set(id, document)
    this.#report({ kind: 'update', id, operations: [operation], ...(exact ? { document } : {}) })
  }
  remove(id: Id): void {
    if (!this.documents.delete(id)) return
    this.#report({ kind: 'delete', id, operations: [{ operation: 'unset', path: '.' }] })
  }
  clear(): void {
    this.documents.clear()
    this.#add({ kind: 'clear', collection: 'users', ...this.#stamp() })
  }
  #stamp() {
    return { position: String(++this.#position), timestamp: '2026-01-01T00:00:00.000Z' }
  }
  #report(change: Pick<DocumentChange, 'kind' | 'id' | 'operations' | 'document'>): void {
    this.#add({ collection: 'users', ...this.#stamp(), ...change })
  }
  #add(change: Change): void {
    this.#untold.push(change)
    if (!this.late) this.tell()
  }
}

/** As a server does that sorts what it scanned. */
function first(documents: Document[], { sort, limit }: ReadOptions): Document[] {
  const order = new Order(sort)
  return documents.sort((a, b) => order.compare(order.valuesOf(a), order.valuesOf(b))).slice(0, limit)
}
