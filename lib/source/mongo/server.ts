import type { ChangeStreamDocument, Db, Document, MongoClient, Timestamp } from 'mongodb'
import { ParticleError } from '../../errors.ts'
import { type ClusterTime, clusterTime } from './time.ts'

/** What there is to know of the server before a stream is opened. */
export interface ServerFacts {
  /** Whether events can tell field names from array positions (MongoDB 6.0 and later). */
  expanded: boolean
  /** Whether this is a router of a sharded cluster. */
  sharded: boolean
  /** The server's time now. */
  now: Timestamp
}

const MONGODB_6_WIRE_VERSION = 17

/** Unauthorized, AuthenticationFailed: the same question would get the same answer. */
const HOPELESS_CODES = new Set([13, 18])

/**
 * Asks the server what it is, and its time.
 * Throws `NO_REPLICA_SET` when it can't have change streams.
 */
export async function askServer(db: Db): Promise<ServerFacts> {
  const hello = await db.command({ hello: 1 })
  const sharded = hello.msg === 'isdbgrid'
  if (!sharded && typeof hello.setName !== 'string') throw standalone()
  return {
    // `showExpandedEvents` is not of the stable API.
    expanded: Number(hello.maxWireVersion) >= MONGODB_6_WIRE_VERSION && !db.client.serverApi?.strict,
    sharded,
    now: await serverTime(db),
  }
}

/** The server's time now. */
export async function serverTime(db: Db): Promise<Timestamp> {
  const reply = await db.command({ ping: 1 })
  const time: Timestamp | undefined = reply.operationTime
  if (!time) throw standalone()
  return time
}

/** The server's time now, once it is settled. */
export async function settledTime(db: Db): Promise<Timestamp> {
  const now = await serverTime(db)
  await settle(db, now)
  return now
}

/**
 * Waits until all that is dated up to a time can be read and is told by change streams: one that is opened there waits for it. MongoDB's
 * readings of a majority do so by themselves; those of SecantusDB don't, and missed what was dated before and committed after.
 */
export async function settle(db: Db, time: Timestamp): Promise<void> {
  await firstBatch(db, [{ $changeStream: { startAtOperationTime: time } }, { $match: { _id: null } }], time)
}

/** What a change stream tells at once, without waiting for more; it is closed again. `time` is one that a majority is to have. */
export async function firstBatch(
  db: Db,
  pipeline: Document[],
  time: Timestamp,
): Promise<ChangeStreamDocument[]> {
  const command = {
    aggregate: 1,
    pipeline,
    // A new primary might not know yet that a majority has what was read.
    readConcern: { level: 'majority', afterClusterTime: time },
    cursor: {},
  }
  // The cursor's id must go back as the Int64 that it is.
  const { cursor } = await db.command(command, { promoteLongs: false })
  const collection = String(cursor.ns).slice(db.databaseName.length + 1)
  db.command({ killCursors: collection, cursors: [cursor.id] }).catch(() => {})
  return cursor.firstBatch
}

/** The time of the oldest entry of the server's oplog; undefined where it may not be read, or there is none. */
export async function oldestTime(client: MongoClient): Promise<ClusterTime | undefined> {
  try {
    const oplog = client.db('local').collection<{ ts?: Timestamp }>('oplog.rs')
    const entry = await oplog.findOne({}, { sort: { $natural: 1 }, projection: { ts: 1 } })
    return entry?.ts && clusterTime(entry.ts)
  } catch (error) {
    if (errorCode(error) === 0) throw error
    return undefined
  }
}

/**
 * Whether a collection of the database keeps pre-images. It is asked first since a server that is to tell them looks one up for each
 * event, also where there are none.
 */
export async function keepsImages(db: Db): Promise<boolean> {
  const filter = { 'options.changeStreamPreAndPostImages.enabled': true }
  try {
    return (await db.listCollections(filter, { nameOnly: false }).toArray()).length > 0
  } catch (error) {
    if (isHopeless(error)) return true
    throw error
  }
}

/** The database to ask when a whole deployment is meant. */
export function anyDatabase(client: MongoClient): Db {
  return client.db('admin')
}

/** Whether trying again can't help. */
export function isHopeless(error: unknown): boolean {
  if (error instanceof ParticleError) return true
  return HOPELESS_CODES.has(errorCode(error))
}

/** The server's code of an error; 0 where it has none, say since there was no answer. */
export function errorCode(error: unknown): number {
  const code: unknown =
    typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined
  return typeof code === 'number' ? code : 0
}

function standalone(): ParticleError {
  return new ParticleError(
    'NO_REPLICA_SET',
    "MongoDB runs standalone, where there are no change streams: start it as a replica set of one, with `mongod --replSet rs0` and then, once, `mongosh --eval 'rs.initiate()'`",
  )
}
