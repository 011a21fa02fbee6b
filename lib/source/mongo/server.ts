import type { Db, MongoClient, Timestamp } from 'mongodb'
import { ParticleError } from '../../errors.ts'

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
    expanded: Number(hello.maxWireVersion) >= MONGODB_6_WIRE_VERSION,
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

/** The database to ask when a whole deployment is meant. */
export function anyDatabase(client: MongoClient): Db {
  return client.db('admin')
}

/** Whether trying again can't help. */
export function isHopeless(error: unknown): boolean {
  if (error instanceof ParticleError) return true
  const code: unknown =
    typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined
  return typeof code === 'number' && HOPELESS_CODES.has(code)
}

function standalone(): ParticleError {
  return new ParticleError(
    'NO_REPLICA_SET',
    "MongoDB runs standalone, where there are no change streams: start it as a replica set of one, with `mongod --replSet rs0` and then, once, `mongosh --eval 'rs.initiate()'`",
  )
}
