import type { ChangeStreamDocument, Db, Document, MongoClient, Timestamp } from 'mongodb'
import { ParticleError } from '../../errors.ts'
import { type ClusterTime, clusterTime, tickBefore } from './time.ts'
import { tokenTime } from './token.ts'

/** Describes the server before a stream is opened. */
export interface ServerFacts {
  /** Allows streams with `showExpandedEvents` (MongoDB 6.0 and later). */
  expanded: boolean
  /** Marks a router of a sharded cluster. */
  sharded: boolean
  /** The server's time now. */
  now: Timestamp
}

const MONGODB_6_WIRE_VERSION = 17

/** Unauthorized, AuthenticationFailed: the same request would get the same answer. */
const HOPELESS_CODES = new Set([13, 18])

/** Atlas's code for, among other errors, commands that the user may not run. */
export const ATLAS_ERROR = 8000

/** Asks the server for its kind and its time. Throws `NO_REPLICA_SET` for a server without change streams. */
export async function askServer(db: Db): Promise<ServerFacts> {
  const hello = await db.command({ hello: 1 })
  const sharded = hello.msg === 'isdbgrid'
  if (!sharded && typeof hello.setName !== 'string') throw standalone()
  return {
    // Avoids `showExpandedEvents` for clients that require the stable API, which lacks the option.
    expanded: Number(hello.maxWireVersion) >= MONGODB_6_WIRE_VERSION && !db.client.serverApi?.strict,
    sharded,
    now: await serverTime(db),
  }
}

/** Returns the server's present time. */
export async function serverTime(db: Db): Promise<Timestamp> {
  const reply = await db.command({ ping: 1 })
  const time: Timestamp | undefined = reply.operationTime
  if (!time) throw standalone()
  return time
}

/** The begin of a change stream, as options of the driver and of the stage. */
export type Begin = { startAtOperationTime: Timestamp } | { resumeAfter: unknown } | { startAfter: unknown }

/**
 * Represents a place in a database's changes: a stream that begins there reports all changes after the
 * cluster time.
 */
export interface Beginning {
  begin: Begin
  time: ClusterTime
}

/**
 * Finds the present end of a database's changes, as the first token of a new change stream. (A token follows
 * the stream's own order. By time alone, SecantusDB skips changes dated before and committed after that time,
 * and reads its whole oplog to find the place.)
 */
export async function askPresent(db: Db): Promise<Beginning> {
  const { events, token, now } = await firstBatch(db, [{ $changeStream: {} }])
  const time = tokenTime(token)
  if (time && events.length === 0) return { begin: { resumeAfter: token }, time: tickBefore(time) }
  const start = events[0]?.clusterTime ?? now
  return { begin: { startAtOperationTime: start }, time: tickBefore(clusterTime(start)) }
}

/**
 * Returns the changes that a change stream reports at once, without a wait for more, and closes the stream.
 * `after` is a cluster time that a majority must have reached: a new primary might not know yet that it has
 * the writes that were read from another server.
 */
export async function firstBatch(
  db: Db,
  pipeline: Document[],
  after?: Timestamp,
): Promise<{ events: ChangeStreamDocument[]; token: unknown; now: Timestamp }> {
  const readConcern = { level: 'majority', ...(after ? { afterClusterTime: after } : {}) }
  // Returns the cursor's id as an Int64, which the server requires.
  const reply = await db.command({ aggregate: 1, pipeline, readConcern, cursor: {} }, { promoteLongs: false })
  const { id, ns, firstBatch: events, postBatchResumeToken: token } = reply.cursor
  const collection = String(ns).slice(db.databaseName.length + 1)
  db.command({ killCursors: collection, cursors: [id] }).catch(() => {})
  return { events, token, now: reply.operationTime }
}

/**
 * Returns the time of the oldest entry of the server's oplog; `undefined` for an unreadable or missing oplog.
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
 * Checks for a collection with pre-images. Otherwise a server that must add pre-images would look one up for
 * each event in vain.
 */
export async function keepsImages(db: Db): Promise<boolean> {
  const filter = { 'options.changeStreamPreAndPostImages.enabled': true }
  try {
    return (await db.listCollections(filter, { nameOnly: false }).toArray()).length > 0
  } catch (error) {
    // Assumes pre-images if the user may not list collections: the request for missing ones does no harm.
    if (isHopeless(error) || errorCode(error) === ATLAS_ERROR) return true
    throw error
  }
}

/** Returns a database for commands about the whole deployment. */
export function anyDatabase(client: MongoClient): Db {
  return client.db('admin')
}

/** Checks for an error that another attempt can't mend. */
export function isHopeless(error: unknown): boolean {
  if (error instanceof ParticleError) return true
  return HOPELESS_CODES.has(errorCode(error))
}

/** Returns the server's code of an error; 0 without a code, for example without an answer. */
export function errorCode(error: unknown): number {
  const code: unknown =
    typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined
  return typeof code === 'number' ? code : 0
}

function standalone(): ParticleError {
  return new ParticleError(
    'NO_REPLICA_SET',
    'MongoDB runs standalone, without change streams: start it as a replica set of one, with ' +
      "`mongod --replSet rs0` and then, once, `mongosh --eval 'rs.initiate()'`",
  )
}
