import { ParticleError } from '../../errors.ts'
import { isWithin, MAX_DEPTH } from '../../model/bounds.ts'
import type { Document, Json } from '../../model/document.ts'
import type { Operation } from '../../model/operation.ts'
import { parsePath } from '../../model/path.ts'
import { matcher } from '../../policy/query.ts'
import type { Adapter, Change, ChangeListener, ReportedChange } from '../../source/source.ts'

/** Limits the number of fields that are reported. */
const MAX_REPORTED = 1_000

/**
 * Wraps an adapter, and hides fields that are nested too deep to walk, as if no manifest listed them. Each
 * such field is reported once. A single document must neither keep new clients from their snapshots nor end
 * the stream.
 *
 * @param queryMs limits the time of a query, in milliseconds; a longer query rejects with `SOURCE_FAILED`
 */
export function bounded(
  adapter: Adapter,
  onError: (error: ParticleError) => void,
  queryMs = Number.POSITIVE_INFINITY,
): Adapter {
  const reported = new Set<string>()
  const report = (collection: string, field: string) => {
    const place = JSON.stringify([collection, field])
    if (reported.has(place) || reported.size >= MAX_REPORTED) return
    reported.add(place)
    const where = collection === '' ? 'A document' : `A document of the collection ${collection}`
    const name = JSON.stringify(field)
    const problem = `${where} has a field ${name} that is nested deeper than ${MAX_DEPTH} levels`
    onError(
      new ParticleError('SOURCE_FAILED', `${problem}: the field is hidden. Store it flatter, or as a text`),
    )
  }
  const documentsOf = (collection: string, documents: Document[]) =>
    documents.every(isShallow)
      ? documents
      : documents.map((document) => withoutDeep(document, (field) => report(collection, field)))
  const changeWithin = (change: Change) =>
    isBounded(change) ? change : boundedChange(change, (field) => report(change.collection, field))
  const reportedWithin = (change: ReportedChange): ReportedChange => {
    if (change.kind !== 'encoded') return changeWithin(change)
    const { kind, position, timestamp, collection, transaction, bytes } = change
    const decode = () => change.decode().map(changeWithin)
    const within: ReportedChange = { kind, position, timestamp, collection, bytes, decode }
    if (transaction !== undefined) within.transaction = transaction
    return within
  }
  const encodedWithin = ({ encoded }: ChangeListener): Pick<ChangeListener, 'encoded'> =>
    encoded === undefined
      ? {}
      : {
          encoded: {
            isShown: (collection) => encoded.isShown(collection),
            changes: (changes, position) => encoded.changes(changes.map(reportedWithin), position),
          },
        }
  const listening = (listener: ChangeListener): ChangeListener => ({
    ...encodedWithin(listener),
    changes: (changes, position) =>
      listener.changes(changes.every(isBounded) ? changes : changes.map(changeWithin), position),
    progress: (position) => listener.progress(position),
    lost: (reason, position) => listener.lost(reason, position),
    error: (error) => listener.error(error),
    role: (role, reason) => listener.role?.(role, reason),
  })
  const methods: Pick<Adapter, 'open' | 'read'> & Required<Pick<Adapter, 'lookup'>> = {
    open: (listener, from, signal) => adapter.open(listening(listener), from, signal),
    read: (collection, query, each, options) =>
      inTime(collection, queryMs, (check) => {
        const take = (documents: Document[]) => {
          // Ends the read of a source that continues after its time.
          check()
          const within = documentsOf(collection, documents)
          // Matches again, because a hidden field matches nothing. The first documents must be complete.
          return each(within === documents || options ? within : within.filter(matcher(query)))
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
 * Runs a query, and rejects after `ms` milliseconds.
 *
 * @param query gets a function that throws once the time is over
 * @throws ParticleError `SOURCE_FAILED`
 */
async function inTime<T>(
  collection: string,
  ms: number,
  query: (check: () => void) => Promise<T>,
): Promise<T> {
  if (ms === Number.POSITIVE_INFINITY) return query(() => {})
  // Creates the error when it is late: the trace of one for each query would cost more than a short query.
  let late: ParticleError | undefined
  let timer: NodeJS.Timeout | undefined
  const time = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      late = new ParticleError(
        'SOURCE_FAILED',
        `A query of ${collection} took longer than ${ms} ms: ` +
          'add an index for its criteria, or raise limits.queryMs',
      )
      reject(late)
    }, ms).unref()
  })
  const check = () => {
    if (late) throw late
  }
  try {
    return await Promise.race([query(check), time])
  } finally {
    clearTimeout(timer)
  }
}

/** Checks that a change has no too deep value, as almost all changes do. */
function isBounded(change: Change): boolean {
  if (!('id' in change)) return true
  const { document, before, operations } = change
  if ((document && !isShallow(document)) || (before && !isShallow(before))) return false
  for (const { data, path, keys } of operations) {
    if (typeof data !== 'object' || data === null) continue
    if (!isWithin(data, MAX_DEPTH - (keys ?? segmentsOf(path)).length)) return false
  }
  return true
}

function isShallow(document: Document): boolean {
  return isWithin(document as Json, MAX_DEPTH)
}

/** Removes too deep fields from a document. Returns the same document without such fields. */
function withoutDeep(document: Document, report: (field: string) => void): Document {
  if (isShallow(document)) return document
  const deep = Object.keys(document).filter((name) => !isWithin(document[name], MAX_DEPTH - 1))
  for (const name of deep) report(name)
  return Object.fromEntries(Object.entries(document).filter(([name]) => !deep.includes(name)))
}

/**
 * Removes too deep values from a change. The change becomes the whole document when that document is known
 * and has a too deep field: an operation may write into the hidden field, or may make it short enough to
 * show.
 */
function boundedChange(change: Change, report: (field: string) => void): Change {
  if (!('id' in change)) return change
  const document = change.document && withoutDeep(change.document, report)
  const before = change.before && withoutDeep(change.before, report)
  const isHiding = document !== change.document || before !== change.before
  const operations =
    document && isHiding && change.kind !== 'delete'
      ? [{ operation: 'set' as const, path: '.', data: document as Json }]
      : boundedOperations(change.operations, report)
  if (!isHiding && operations === change.operations) return change
  return { ...change, operations, ...(document ? { document } : {}), ...(before ? { before } : {}) }
}

function boundedOperations(operations: Operation[], report: (field: string) => void): Operation[] {
  const bounds = operations.map((op) => boundedOperation(op, report))
  return bounds.every((op, index) => op === operations[index]) ? operations : bounds
}

function boundedOperation(op: Operation, report: (field: string) => void): Operation {
  const { data, path, keys } = op
  if (typeof data !== 'object' || data === null) return op
  if (path === '.') {
    if (Array.isArray(data)) return op
    const document = withoutDeep(data as Document, report)
    return document === data ? op : { ...op, data: document as Json }
  }
  const segments = keys ?? segmentsOf(path)
  const [first] = segments
  if (first === undefined || isWithin(data, MAX_DEPTH - segments.length)) return op
  const field = String(first)
  report(field)
  return { operation: 'unset', path: field, keys: [field] }
}

/**
 * Returns the segments of a path, or none for a malformed path, which is reported when the operation is
 * applied.
 */
function segmentsOf(path: string): (string | number)[] {
  try {
    return parsePath(path).map((segment) => (typeof segment === 'string' ? segment : segment.id))
  } catch {
    return []
  }
}
