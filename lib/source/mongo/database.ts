import type { Db } from 'mongodb'
import { ParticleError } from '../../errors.ts'
import { describeGiven, type Mistaken } from '../../model/given.ts'

const MISTAKEN: readonly Mistaken[] = [
  [
    ({ modelName }) => typeof modelName === 'string',
    "a model of mongoose: give mongoose.connection.db, and name the collection by mongo(db).collection('users')",
  ],
  [
    ({ collectionName }) => typeof collectionName === 'string',
    "a collection: give its database, and name the collection by mongo(db).collection('users')",
  ],
  [
    ({ readyState, models }) => readyState !== undefined && models !== undefined,
    'a connection of mongoose: give its database, connection.db, which is there once it is connected',
  ],
  [
    ({ connection, model }) => connection !== undefined && typeof model === 'function',
    'mongoose itself: give mongoose.connection.db, which is there once it is connected',
  ],
  [({ db }) => typeof db === 'function', "a MongoClient: give one of its databases, client.db('name')"],
]

/** The databases of MongoDB's own. */
const INTERNAL: ReadonlySet<string> = new Set(['admin', 'config', 'local'])

/**
 * Checks what `mongo()` was given.
 * @throws ParticleError `INVALID_OPTION`, with a sentence that says what to give
 */
export function checkDatabase(db: unknown): asserts db is Db {
  const { client, databaseName, collection } = (db ?? {}) as { [name: string]: unknown }
  const isDatabase =
    typeof client === 'object' && typeof databaseName === 'string' && typeof collection === 'function'
  if (isDatabase && client !== null) {
    if (!INTERNAL.has(String(databaseName))) return
    throw new ParticleError(
      'INVALID_OPTION',
      `mongo(db) takes a database of your own: MongoDB has no change streams of the database ${databaseName}`,
    )
  }
  const given =
    db === undefined || db === null
      ? `this is ${db}; mongoose.connection.db is there only once mongoose is connected`
      : describeGiven(db, MISTAKEN)
  throw new ParticleError(
    'INVALID_OPTION',
    `mongo(db) takes a database of the MongoDB driver, as client.db('name') returns it, but ${given}`,
  )
}
