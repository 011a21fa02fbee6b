import type { ChangeStreamDocument, Db, Document, MongoClient, Timestamp } from 'mongodb'
import { ParticleError } from '../../errors.ts'
import { type ClusterTime, clusterTime, tickBefore } from './time.ts'
import { tokenTime } from './token.ts'

/** What there is to know of the server before a stream is opened. */
export interface ServerFacts {
  /** Whether streams may be opened with `showExpandedEvents` (MongoDB 6.0 and later). */
  expanded: boolean
  /** Whether this is a router of a sharded cluster. */
  sharded: boolean
  /** The server's time now. */
  now: Timestamp
}

const MONGODB_6_WIRE_VERSION = 17

/** Unauthorized, AuthenticationFailed: the same question would get the same answer. */
const HOPELESS_CODES = new Set([13, 18])

/** What Atlas says, among other things, to commands that the user may not give. */
export const ATLAS_ERROR = 8000

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

/** Where a change stream begins, as options of the driver and of the stage. */
export type Begin = { startAtOperationTime: Timestamp } | { resumeAfter: unknown } | { startAfter: unknown }

/** A place in a database's changes: a stream that begins there tells everything after the cluster time. */
export interface Beginning {
  begin: Begin
  time: ClusterTime
}

/**
 * The present end of a database's changes, by the token that a new change stream begins with. (A token is
 * right by the stream's own order. By time alone SecantusDB passes over what is dated before and committed
 * after, and it reads its whole oplog to find the place.)
 */
export async function askPresent(db: Db): Promise<Beginning> {
  const { events, token, now } = await firstBatch(db, [{ $changeStream: {} }])
  const time = tokenTime(token)
  if (time && events.length === 0) return { begin: { resumeAfter: token }, time: tickBefore(time) }
  const start = events[0]?.clusterTime ?? now
  return { begin: { startAtOperationTime: start }, time: tickBefore(clusterTime(start)) }
}

/**
 * What a change stream tells at once, without waiting for more; it is closed again. `after` is a cluster time
 * that a majority is to have before: a new primary might not know yet that it has what was read from another
 * one.
 */
export async function firstBatch(
  db: Db,
  pipeline: Document[],
  after?: Timestamp,
): Promise<{ events: ChangeStreamDocument[]; token: unknown; now: Timestamp }> {
  const readConcern = { level: 'majority', ...(after ? { afterClusterTime: after } : {}) }
  // The cursor's id must go back as the Int64 that it is.
  const reply = await db.command({ aggregate: 1, pipeline, readConcern, cursor: {} }, { promoteLongs: false })
  const { id, ns, firstBatch: events, postBatchResumeToken: token } = reply.cursor
  const collection = String(ns).slice(db.databaseName.length + 1)
  db.command({ killCursors: collection, cursors: [id] }).catch(() => {})
  return { events, token, now: reply.operationTime }
}

/**
 * The time of the oldest entry of the server's oplog; undefined where it may not be read, or there is none.
 */
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
 * Whether a collection of the database keeps pre-images. It is asked first since a server that is to tell
 * them looks one up for each event, also where there are none.
 */
export async function keepsImages(db: Db): Promise<boolean> {
  const filter = { 'options.changeStreamPreAndPostImages.enabled': true }
  try {
    return (await db.listCollections(filter, { nameOnly: false }).toArray()).length > 0
  } catch (error) {
    // Not for us to know: it does no harm to ask for what is not there.
    if (isHopeless(error) || errorCode(error) === ATLAS_ERROR) return true
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
