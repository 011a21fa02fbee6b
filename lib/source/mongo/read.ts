import type {
  Document as BsonDocument,
  Collection,
  Db,
  Filter,
  FindOptions,
  MongoClient,
  Timestamp,
} from 'mongodb'
import type { Document, Id } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import { matcher } from '../../policy/criteria.ts'
import type { Query, ReadOptions } from '../source.ts'
import { documentToJson } from './bson.ts'
import { unlikeFilter } from './order.ts'
import { toFilter } from './query.ts'
import { READ_OPTIONS } from './stream.ts'
import { idCandidates } from './value.ts'

/** What to read. */
export interface ReadRequest {
  client: MongoClient
  db: Db
  collection: string
  query: Query
  /** The documents hold at least what was written up to this cluster time. */
  after: Timestamp | undefined
  /** Which documents are enough. */
  first?: ReadOptions | undefined
  /**
   * Reads the documents with these ids, as the query says too. Ids are looked for by value, where a criteria
   * must look at whole types.
   */
  ids?: readonly Id[] | undefined
  /** Called with each document's `_id`, as BSON. */
  onId?: (id: unknown) => void
}

const BATCH = 1000

/** ReadConcernMajorityNotEnabled; InvalidOptions, which some servers of the wire protocol say to it. */
const NO_MAJORITY = new Set([148, 72])

/**
 * Reads documents in batches of 1,000, each handed over before the next is asked for. Returns a cluster time
 * after all that was read.
 *
 * Reads with the concern "majority" in a causal session: change streams tell only of what a majority has, and
 * a read of less would miss what the stream has told already, a read of more would show what may be rolled
 * back.
 */
export async function readDocuments(
  request: ReadRequest,
  each: (documents: Document[]) => void | Promise<void>,
): Promise<Timestamp | undefined> {
  let handed = false
  try {
    return await readWith('majority', request, (documents) => {
      handed = true
      return each(documents)
    })
  } catch (error) {
    const code: unknown = (error as { code?: unknown } | null)?.code
    if (handed || typeof code !== 'number' || !NO_MAJORITY.has(code)) throw error
    return await readWith('local', request, each)
  }
}

async function readWith(
  level: 'majority' | 'local',
  request: ReadRequest,
  each: (documents: Document[]) => void | Promise<void>,
): Promise<Timestamp | undefined> {
  const classes = await import('mongodb')
  const filter = request.ids
    ? ({ _id: { $in: idCandidates(request.ids, classes) } } as Filter<BsonDocument>)
    : toFilter(request.query, classes)
  const session = request.client.startSession({ causalConsistency: true })
  try {
    if (request.after) session.advanceOperationTime(request.after)
    const options = {
      ...READ_OPTIONS,
      session,
      readConcern: { level },
      readPreference: 'primary',
      batchSize: BATCH,
    } as const
    const collection = request.db.collection(request.collection)
    // The filter may find too much, and the server's idea of equality (5 and Decimal128 5) is not that of the
    // JSON forms.
    const matches = Object.keys(request.query).length === 0 ? () => true : matcher(request.query)
    const first = request.first && (await readFirst(collection, filter, request.first, options, matches))
    if (first) {
      if (first.length > 0) await each(first)
      return session.operationTime
    }
    const cursor = collection.find(filter, options)
    let batch: Document[] = []
    for await (const bson of cursor) {
      const document = documentToJson(bson)
      if (!matches(document)) continue
      request.onId?.(bson._id)
      batch.push(document)
      if (batch.length < BATCH) continue
      await each(batch)
      batch = []
    }
    if (batch.length > 0) await each(batch)
    return session.operationTime
  } finally {
    await session.endSession()
  }
}

/**
 * The first documents of an order; undefined where MongoDB can't tell which ones they are by the order of
 * their JSON forms.
 */
async function readFirst(
  collection: Collection,
  filter: Filter<BsonDocument>,
  { sort, limit }: ReadOptions,
  options: FindOptions,
  matches: (document: Document) => boolean,
): Promise<Document[] | undefined> {
  const ordered = { ...options, collation: { locale: 'simple' } }
  const cursor = collection.find(filter, { ...ordered, sort: new Map(sort), limit })
  const found = await cursor.toArray()
  const documents = found.map(documentToJson)
  // All that there are.
  if (found.length < limit) return documents.filter(matches)
  if (!documents.every(matches)) return undefined
  const unlike = unlikeFilter(sort, found)
  if (!unlike) return undefined
  const one = await collection.findOne({ $and: [filter, unlike] }, { ...options, projection: { _id: 1 } })
  return one ? undefined : documents
}

/** The documents with these ids (in JSON form) as they are now. */
export async function lookupDocuments(collection: Collection, ids: readonly Id[]): Promise<Document[]> {
  if (ids.length === 0) return []
  const candidates = idCandidates(ids, await import('mongodb')) as never[]
  const documents = await collection
    .find({ _id: { $in: candidates } }, { ...READ_OPTIONS, readPreference: 'primary' })
    .toArray()
  const wanted = new Set(ids.map(idKey))
  return documents.map(documentToJson).filter(({ _id }) => _id !== undefined && wanted.has(idKey(_id)))
}
