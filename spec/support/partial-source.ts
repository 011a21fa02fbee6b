import type { Document, Id } from '../../lib/model/document.ts'
import type { Operation } from '../../lib/model/operation.ts'
import type { MemoryAdapter } from '../../lib/source/memory/index.ts'
import type {
  Adapter,
  Change,
  ChangeListener,
  CollectionHandle,
  DocumentChange,
  Query,
} from '../../lib/source/source.ts'

/** How much of an update a source reports. */
export type Reporting =
  /** The operations, the document of before and of after. */
  | 'operations and before'
  /** The document of before and of after. */
  | 'documents'
  /** The document of after, as Redis' notifications do. */
  | 'document'
  /** Every field of the document of after, as PostgreSQL does by default. */
  | 'fields'
  /** The operations alone, as MongoDB does by default. */
  | 'operations'

/** A memory adapter that tells of changes as other sources do. */
export class PartialSource implements Adapter {
  readonly name = 'memory'
  readonly #inner: MemoryAdapter
  readonly #reporting: Reporting

  constructor(inner: MemoryAdapter, reporting: Reporting) {
    this.#inner = inner
    this.#reporting = reporting
  }

  handle(collectionName: string): CollectionHandle {
    return { adapter: this, collectionName }
  }

  open(listener: ChangeListener, from?: string) {
    const changes = (list: readonly Change[], position: string) =>
      listener.changes(
        list.map((change) => ('id' in change ? reported(change, this.#reporting) : change)),
        position,
      )
    return this.#inner.open({ ...listener, changes }, from)
  }

  past(milliseconds: number) {
    return this.#inner.past(milliseconds)
  }

  compare(a: string, b: string) {
    return this.#inner.compare(a, b)
  }

  read(collection: string, query: Query, each: (documents: Document[]) => void | Promise<void>) {
    return this.#inner.read(collection, query, each)
  }

  lookup(collection: string, ids: readonly Id[]) {
    return this.#inner.lookup(collection, ids)
  }
}

function reported(change: DocumentChange, reporting: Reporting): DocumentChange {
  const { before, document, ...rest } = change
  if (reporting === 'operations and before' || change.kind === 'insert') return change
  if (reporting === 'operations') return rest
  if (change.kind === 'delete') return reporting === 'documents' ? change : rest
  const after = document ?? (change.operations[0]?.data as Document)
  if (reporting === 'fields')
    return { ...rest, kind: 'update', operations: fieldsOf(before, after), document: after }
  const operations: Operation[] = [{ operation: 'set', path: '.', data: after as Operation['data'] & object }]
  return {
    ...rest,
    kind: 'replace',
    operations,
    document: after,
    ...(reporting === 'documents' && before ? { before } : {}),
  }
}

function fieldsOf(before: Document | undefined, after: Document): Operation[] {
  const gone = Object.keys(before ?? {}).filter((name) => after[name] === undefined)
  const there = Object.entries(after).filter(([name]) => name !== '_id')
  return [
    ...gone.map((path): Operation => ({ operation: 'unset', path, keys: [path] })),
    ...there.map(([path, data]): Operation => ({ operation: 'set', path, keys: [path], data: data ?? null })),
  ]
}
