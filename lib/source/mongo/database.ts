import type { Db } from 'mongodb'
import { describeGiven, type Mistaken } from '../../model/given.ts'
import { invalidOption } from '../../model/unknown.ts'

/**
 * Describes a client of the driver, of `mongodb` 6 or 7 or of the driver within mongoose. (Their classes have
 * private fields, so that TypeScript takes each for a different type.)
 */
export interface DriverClient {
  db(name?: string): object
  startSession(options?: object): object
  watch(pipeline?: object[], options?: object): object
  /** Connects again after the automatic connect of the first operation has failed. */
  connect?(): Promise<unknown>
  close(): Promise<void>
}

/** Describes a database of the driver: see {@link DriverClient}. */
export interface DriverDatabase {
  readonly databaseName: string
  readonly client: DriverClient
  collection(name: string): object
  command(command: object, options?: object): Promise<object>
  listCollections(filter?: object, options?: object): object
  watch(pipeline?: object[], options?: object): object
}

const MISTAKEN: readonly Mistaken[] = [
  [
    ({ modelName }) => typeof modelName === 'string',
    'a model of mongoose: give mongoose.connection.db, and name the collection by ' +
      "mongo(database).collection('users')",
  ],
  [
    ({ collectionName }) => typeof collectionName === 'string',
    "a collection: give its database, and name the collection by mongo(database).collection('users')",
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
 * Checks the argument of `mongo()`.
 * @throws ParticleError `INVALID_OPTION`, with a sentence that says what to pass instead
 */
export function checkDatabase(db: unknown): asserts db is Db {
  const { client, databaseName, collection } = (db ?? {}) as { [name: string]: unknown }
  const isDatabase =
    typeof client === 'object' && typeof databaseName === 'string' && typeof collection === 'function'
  if (isDatabase && client !== null) {
    if (!INTERNAL.has(String(databaseName))) return
    throw invalidOption(
      `MongoDB has no change streams of the database ${databaseName}: give mongo(database) another database`,
    )
  }
  const given =
    db === undefined || db === null
      ? `this is ${db}; mongoose.connection.db is there only once mongoose is connected`
      : describeGiven(db, MISTAKEN)
  throw invalidOption(
    `mongo(database) takes a database of the MongoDB driver, as client.db('name') returns it, but ${given}`,
  )
}
