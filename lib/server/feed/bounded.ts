import { ParticleError } from '../../errors.ts'
import { isWithin, MAX_DEPTH } from '../../model/bounds.ts'
import type { Document, Json } from '../../model/document.ts'
import type { Operation } from '../../model/operation.ts'
import { parsePath } from '../../model/path.ts'
import type { Adapter, Change, ChangeListener } from '../../source/source.ts'

/** So many fields are told of at most. */
const MAX_TOLD = 1_000

/**
 * An adapter of whose documents no field is nested too deep to be walked: such a field is hidden, as if no manifest listed it, and
 * that is told once for each field. What one document holds must neither keep newcomers from their snapshots nor end the stream.
 * @param queryMs how long a query may take, in milliseconds: then it rejects with `SOURCE_FAILED`
 */
export function bounded(
  adapter: Adapter,
  onError: (error: ParticleError) => void,
  queryMs = Number.POSITIVE_INFINITY,
): Adapter {
  const told = new Set<string>()
  const tell = (collection: string, field: string) => {
    const place = JSON.stringify([collection, field])
    if (told.has(place) || told.size >= MAX_TOLD) return
    told.add(place)
    const where = collection === '' ? 'A document' : `A document of the collection ${collection}`
    const what = `${where} has a field ${JSON.stringify(field)} that is nested deeper than ${MAX_DEPTH} levels`
    onError(
      new ParticleError('SOURCE_FAILED', `${what}: the field is hidden. Store it flatter, or as a text`),
    )
  }
  const documentsOf = (collection: string, documents: Document[]) =>
    documents.map((document) => withoutDeep(document, (field) => tell(collection, field)))
  const listening = (listener: ChangeListener): ChangeListener => ({
    changes: (changes, position) => {
      listener.changes(
        changes.map((change) => boundedChange(change, (field) => tell(change.collection, field))),
        position,
      )
    },
    progress: (position) => listener.progress(position),
    lost: (reason, position) => listener.lost(reason, position),
    error: (error) => listener.error(error),
  })
  const methods: Pick<Adapter, 'open' | 'read'> & Required<Pick<Adapter, 'lookup'>> = {
    open: (listener, from) => adapter.open(listening(listener), from),
    read: (collection, query, each, options) =>
      inTime(collection, queryMs, (check) => {
        const take = (documents: Document[]) => {
          // Ends the reading of a source that goes on.
          check()
          return each(documentsOf(collection, documents))
        }
        return adapter.read(collection, query, take, options)
      }),
    lookup: async (collection, ids) => {
      const look = async () => (await adapter.lookup?.(collection, ids)) ?? []
      const found = await inTime(collection, queryMs, look)
      return Array.isArray(found)
        ? documentsOf(collection, found)
        : { ...found, documents: documentsOf(collection, found.documents) }
    },
  }
  return new Proxy(adapter, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value !== 'function') return value
      return Object.hasOwn(methods, key) ? methods[key as keyof typeof methods] : value.bind(target)
    },
  })
}

/**
 * Runs a query, and rejects where it takes longer than `ms`.
 * @param query is given a function that throws once that time is over
 * @throws ParticleError `SOURCE_FAILED`
 */
async function inTime<T>(
  collection: string,
  ms: number,
  query: (check: () => void) => Promise<T>,
): Promise<T> {
  if (ms === Number.POSITIVE_INFINITY) return query(() => {})
  const late = new ParticleError(
    'SOURCE_FAILED',
    `A query of ${collection} took longer than ${ms} ms: add an index for its criteria, or raise limits.queryMs`,
  )
  let isLate = false
  let timer: NodeJS.Timeout | undefined
  const time = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      isLate = true
      reject(late)
    }, ms).unref()
  })
  const check = () => {
    if (isLate) throw late
  }
  try {
    return await Promise.race([query(check), time])
  } finally {
    clearTimeout(timer)
  }
}

/** A document without the fields that are too deep; itself where there are none. */
function withoutDeep(document: Document, tell: (field: string) => void): Document {
  const deep = Object.keys(document).filter((name) => !isWithin(document[name], MAX_DEPTH - 1))
  if (deep.length === 0) return document
  for (const name of deep) tell(name)
  return Object.fromEntries(Object.entries(document).filter(([name]) => !deep.includes(name)))
}

/**
 * A change without what is too deep. Where the document after it is known and has such a field, the change becomes that document as a
 * whole, since an operation may lead into the hidden field, or may have made it short enough to be shown.
 */
function boundedChange(change: Change, tell: (field: string) => void): Change {
  if (!('id' in change)) return change
  const document = change.document && withoutDeep(change.document, tell)
  const before = change.before && withoutDeep(change.before, tell)
  const isHiding = document !== change.document || before !== change.before
  const operations =
    document && isHiding && change.kind !== 'delete'
      ? [{ operation: 'set' as const, path: '.', data: document as Json }]
      : boundedOperations(change.operations, tell)
  if (!isHiding && operations === change.operations) return change
  return { ...change, operations, ...(document ? { document } : {}), ...(before ? { before } : {}) }
}

function boundedOperations(operations: Operation[], tell: (field: string) => void): Operation[] {
  const bounds = operations.map((op) => boundedOperation(op, tell))
  return bounds.every((op, index) => op === operations[index]) ? operations : bounds
}

function boundedOperation(op: Operation, tell: (field: string) => void): Operation {
  const { data, path, keys } = op
  if (typeof data !== 'object' || data === null) return op
  if (path === '.') {
    if (Array.isArray(data)) return op
    const document = withoutDeep(data as Document, tell)
    return document === data ? op : { ...op, data: document as Json }
  }
  const segments = keys ?? segmentsOf(path)
  const [first] = segments
  if (first === undefined || isWithin(data, MAX_DEPTH - segments.length)) return op
  const field = String(first)
  tell(field)
  return { operation: 'unset', path: field, keys: [field] }
}

/** The segments of a path; none where it is malformed, which is told where the operation is done. */
function segmentsOf(path: string): (string | number)[] {
  try {
    return parsePath(path).map((segment) => (typeof segment === 'string' ? segment : segment.id))
  } catch {
    return []
  }
}
