import type { Document, Id, Json } from '../../lib/model/document.ts'
import { idKey } from '../../lib/model/id.ts'
import { matcher, type Query } from '../../lib/policy/criteria.ts'
import type {
  Adapter,
  Change,
  ChangeListener,
  CollectionHandle,
  DocumentChange,
  ReadOptions,
} from '../../lib/source/source.ts'

/**
 * A source whose reads run ahead of what it tells, as with keys that expire: a document that vanished is in no
 * reading any more, and its end is told when the spec says so.
 */
export class AheadSource implements Adapter {
  readonly name = 'ahead'
  readonly readsAhead = true
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

/**
 * Any source, made to read ahead of what it tells: documents vanish from its readings before they are deleted.
 * Whoever deletes them then says so by {@link ReadAhead.appear}.
 */
export class ReadAhead implements Adapter {
  readonly name: string
  readonly readsAhead = true
  declare readonly store?: string
  declare readonly past?: (milliseconds: number) => Promise<string>
  declare readonly lookup?: NonNullable<Adapter['lookup']>
  readonly compare: Adapter['compare']
  readonly #inner: Adapter
  readonly #vanished = new Set<string>()
  readonly #listeners = new Set<ChangeListener>()
  /** The position of what was not told, where something is to be lost. */
  #untold: string | undefined
  #loses = false

  /** @param store where given, the only one that its positions hold for */
  constructor(inner: Adapter, store = inner.store) {
    this.#inner = inner
    this.name = inner.name
    this.compare = (a, b) => inner.compare(a, b)
    if (store !== undefined) this.store = store
    if (inner.past) this.past = (milliseconds) => inner.past?.(milliseconds) as Promise<string>
    const { lookup } = inner
    if (lookup)
      this.lookup = async (collection, ids) => {
        const answer = await lookup.call(inner, collection, ids)
        return Array.isArray(answer)
          ? this.#left(answer)
          : { ...answer, documents: this.#left(answer.documents) }
      }
  }

  /** Takes documents out of all readings. */
  vanish(...ids: Id[]): void {
    for (const id of ids) this.#vanished.add(idKey(id))
  }

  /** Ends it: by now the documents are deleted. */
  appear(...ids: Id[]): void {
    for (const id of ids) this.#vanished.delete(idKey(id))
  }

  /** Those of some documents that have not vanished. */
  #left<T extends Document>(documents: readonly T[]): T[] {
    return documents.filter(({ _id }) => !this.#vanished.has(idKey(_id ?? null)))
  }

  /** Tells nothing from now on, so that it can be lost. */
  mute(): void {
    this.#loses = true
  }

  /** Whether there is something to lose. */
  get isBehind(): boolean {
    return this.#untold !== undefined
  }

  /** Loses what was not told. */
  lose(): void {
    for (const listener of [...this.#listeners]) listener.lost('history-lost', this.#untold ?? '')
    this.#loses = false
    this.#untold = undefined
  }

  async open(listener: ChangeListener, from?: string) {
    this.#listeners.add(listener)
    const changes = (all: readonly Change[], position: string) => {
      if (this.#loses) this.#untold = position
      else listener.changes(all, position)
    }
    const subscription = await this.#inner.open(
      {
        changes,
        progress: (position) => {
          if (!this.#loses) listener.progress(position)
        },
        lost: (reason, position) => listener.lost(reason, position),
        error: (error) => listener.error(error),
      },
      from,
    )
    const close = async () => {
      this.#listeners.delete(listener)
      await subscription.close()
    }
    return { ...subscription, position: subscription.position, close }
  }

  async read(
    collection: string,
    query: Query,
    each: (documents: Document[]) => void | Promise<void>,
    options?: ReadOptions,
  ) {
    // Among the first of an order may be some that have vanished.
    const first = this.#vanished.size > 0 ? undefined : options
    return await this.#inner.read(collection, query, (batch) => each(this.#left(batch)), first)
  }
}
