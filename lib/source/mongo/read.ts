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
import type { EachBatch, Query, ReadOptions } from '../source.ts'
import { documentToJson } from './bson.ts'
import { unlikeFilter } from './order.ts'
import { toFilter } from './query.ts'
import { READ_OPTIONS } from './read-options.ts'
import { idCandidates } from './value.ts'

/** Describes a read. */
export interface ReadRequest {
  client: MongoClient
  db: Db
  collection: string
  query: Query
  /** A cluster time: the documents contain all writes up to it. */
  after: Timestamp | undefined
  /** Which documents are enough. */
  first?: ReadOptions | undefined
  /**
   * Reads only the documents with these ids, which also match the query. Finds ids by value, whereas a query
   * must search whole types.
   */
  ids?: readonly Id[] | undefined
  /** Called with each document's `_id`, as BSON. */
  onId?: (id: unknown) => void
}

const BATCH = 1000

/** ReadConcernMajorityNotEnabled; InvalidOptions, the answer of some servers of the wire protocol. */
const NO_MAJORITY = new Set([148, 72])

/**
 * Reads documents in batches of 1,000. Delivers each batch before the next request. Returns a cluster time
 * after the read.
 *
 * Reads with the concern "majority" in a causal session: change streams report only the writes of a majority.
 * A weaker read would miss reported changes, or show writes that may be rolled back.
 */
export async function readDocuments(request: ReadRequest, each: EachBatch): Promise<Timestamp | undefined> {
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
  each: EachBatch,
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
    // Matches again, because the filter may find too much, and the server's equality (5 and Decimal128 5)
    // differs from that of the JSON forms.
    const matches = matcher(request.query)
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
 * Reads the first documents of an order; `undefined` if MongoDB's order may differ from the order of the JSON
 * forms.
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
  // Returns all documents if there are fewer than the limit.
  if (found.length < limit) return documents.filter(matches)
  if (!documents.every(matches)) return undefined
  const unlike = unlikeFilter(sort, found)
  if (!unlike) return undefined
  const one = await collection.findOne({ $and: [filter, unlike] }, { ...options, projection: { _id: 1 } })
  return one ? undefined : documents
}

/** Returns the current documents with these ids (in JSON form). */
export async function lookupDocuments(collection: Collection, ids: readonly Id[]): Promise<Document[]> {
  if (ids.length === 0) return []
  const candidates = idCandidates(ids, await import('mongodb')) as never[]
  const documents = await collection
    .find({ _id: { $in: candidates } }, { ...READ_OPTIONS, readPreference: 'primary' })
    .toArray()
  const wanted = new Set(ids.map(idKey))
  return documents.map(documentToJson).filter(({ _id }) => _id !== undefined && wanted.has(idKey(_id)))
}
