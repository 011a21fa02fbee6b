import type { Document, Id, Json } from '../../lib/model/document.ts'
import { idKey } from '../../lib/model/id.ts'
import { matcher, type Query } from '../../lib/policy/criteria.ts'
import type {
  Adapter,
  Change,
  ChangeListener,
  CollectionHandle,
  DocumentChange,
} from '../../lib/source/source.ts'

/**
 * A source whose reads run ahead of what it tells, as with keys that expire: a document that vanished is in no
 * reading any more, and its end is told when the spec says so.
 */
export class AheadSource implements Adapter {
  readonly name = 'ahead'
  reads = 0
  /** What clients of another node have seen of it is replayed from here. */
  readonly #history: DocumentChange[] = []
  readonly #documents = new Map<string, Document>()
  readonly #listeners = new Set<ChangeListener>()
  readonly #vanished = new Map<string, Id>()
  #position = 0

  handle(collectionName: string): CollectionHandle {
    return { adapter: this, collectionName }
  }

  /** Writes a document, and tells it. */
  put(document: Document): void {
    const key = idKey(document._id ?? null)
    const kind = this.#documents.has(key) ? 'replace' : 'insert'
    this.#documents.set(key, document)
    this.#tell({
      ...this.#next(document._id ?? null),
      kind,
      document,
      operations: [{ operation: 'set', path: '.', data: document as Json }],
    })
  }

  /** Takes documents away without telling it. */
  vanish(...ids: Id[]): void {
    for (const id of ids) if (this.#documents.delete(idKey(id))) this.#vanished.set(idKey(id), id)
  }

  /** Tells the end of all that vanished. */
  tell(): void {
    for (const id of this.#vanished.values())
      this.#tell({ ...this.#next(id), kind: 'delete', operations: [{ operation: 'unset', path: '.' }] })
    this.#vanished.clear()
  }

  /** Loses what it had not told yet. */
  lose(): void {
    this.#vanished.clear()
    this.#history.length = 0
    this.#position++
    for (const listener of [...this.#listeners]) listener.lost('flushed', String(this.#position))
  }

  async open(listener: ChangeListener, from?: string) {
    this.#listeners.add(listener)
    const head = String(this.#position)
    const kept = this.#history.filter(({ position }) => Number(position) > Number(from ?? head))
    setImmediate(() => {
      if (kept.length > 0) listener.changes(kept, head)
    })
    return { position: from ?? head, head, close: async () => void this.#listeners.delete(listener) }
  }

  async past(): Promise<string> {
    return String(Number(this.#history[0]?.position ?? this.#position + 1) - 1)
  }

  compare(a: string, b: string): number {
    return Number(a || Number.NaN) - Number(b || Number.NaN)
  }

  async read(_collection: string, query: Query, each: (documents: Document[]) => void | Promise<void>) {
    this.reads++
    const matches = matcher(query)
    await each([...this.#documents.values()].filter((document) => matches(document)))
    return { from: String(this.#position), to: String(this.#position) }
  }

  #next(id: Id) {
    this.#position++
    return { position: String(this.#position), timestamp: new Date().toISOString(), collection: 'users', id }
  }

  #tell(change: DocumentChange): void {
    this.#history.push(change)
    const changes: Change[] = [change]
    for (const listener of [...this.#listeners]) listener.changes(changes, change.position)
  }
}
