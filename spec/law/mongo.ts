import { MongoClient } from 'mongodb'
import { mongo } from '../../lib/source/mongo/index.ts'
import { COLLECTION, ROOTS, STORES, type StoreName } from './roots.ts'
import type { Run, Setting, Way, Writable } from './setting.ts'
import { realTime } from './time.ts'

/** How long the server waits for a change before it says that there is none, in milliseconds: what nobody writes to is known to be quiet by then. */
const AWAIT = 50
const BROKEN_OFF = 'the stream broke off, as the law has it'
const CHANGE_STREAM_HISTORY_LOST = 286

type Names = Readonly<Record<StoreName, string>>

/**
 * A MongoDB server: each run has two databases of its own, each process a client of its own. With `images`, collections keep pre-images.
 * With a folder, the processes share one change stream of each database.
 */
export function inMongo(url: string, images: boolean, oncePerHost?: string): Setting {
  let runs = 0
  return {
    name: `MongoDB${images ? ' with pre-images' : ''}${oncePerHost ? ', once per host' : ''}`,
    roots: ROOTS,
    time: () => realTime(2),
    calm: 10,
    patience: 6_000,
    lags: true,
    expects: ({ message }) => message.includes(BROKEN_OFF),
    async open() {
      const run = `law_${process.pid}_${runs++}`
      const names: Names = { first: `${run}_first`, second: `${run}_second` }
      const client = await new MongoClient(url).connect()
      if (images) for (const store of STORES) await createKept(client, names[store])
      return {
        way: () => openWay(url, names, oncePerHost),
        collection: (store) => client.db(names[store]).collection(COLLECTION) as unknown as Writable,
        transact: (store, runs) => transact(client, names[store], runs),
        close: async () => {
          for (const store of STORES) await client.db(names[store]).dropDatabase()
          await client.close()
        },
      }
    },
  }
}

async function createKept(client: MongoClient, database: string): Promise<void> {
  await client.db(database).createCollection(COLLECTION, { changeStreamPreAndPostImages: { enabled: true } })
}

/** Makes writes in one transaction: all of them or none. */
async function transact(client: MongoClient, database: string, runs: readonly Run[]): Promise<void> {
  await client.withSession(async (session) => {
    const collection = client.db(database).collection(COLLECTION)
    const options = { session }
    const within = {
      insertOne: (document: object) => collection.insertOne(document, options),
      insertMany: (documents: object[]) => collection.insertMany(documents, options),
      updateOne: (query: object, update: object) => collection.updateOne(query, update, options),
      updateMany: (query: object, update: object) => collection.updateMany(query, update, options),
      replaceOne: (query: object, document: object) => collection.replaceOne(query, document, options),
      deleteOne: (query: object) => collection.deleteOne(query, options),
      deleteMany: (query: object) => collection.deleteMany(query, options),
    }
    session.startTransaction()
    try {
      for (const run of runs) await run(within as unknown as Writable)
      await session.commitTransaction()
    } catch {
      await session.abortTransaction().catch(() => {})
    }
  })
}

/** One process's client, whose change streams can be broken off. */
function openWay(url: string, names: Names, oncePerHost: string | undefined): Way {
  const client = new MongoClient(url)
  const failures = new Map<StoreName, { error: Error; events: number }>()
  const follow = (store: StoreName) => {
    const db = client.db(names[store])
    const watch = db.watch.bind(db)
    db.watch = ((...given: Parameters<typeof watch>) => {
      const stream = watch(...given)
      const next = stream.tryNext.bind(stream)
      stream.tryNext = async () => {
        const event = await next()
        const failure = failures.get(store)
        if (!failure) return event
        if (failure.events > 0) {
          if (event) failure.events--
          return event
        }
        // What has come is lost with the stream that it came by, and must come again.
        failures.delete(store)
        throw failure.error
      }
      return stream
    }) as typeof watch
    return mongo(db, { maxAwaitTimeMS: AWAIT, ...(oncePerHost ? { oncePerHost } : {}) })
  }
  const adapters = { first: follow('first'), second: follow('second') }
  return {
    adapter: (store) => adapters[store],
    interrupt: (store, lost, events) => {
      const code = lost ? { code: CHANGE_STREAM_HISTORY_LOST } : {}
      failures.set(store, { error: Object.assign(new Error(BROKEN_OFF), code), events })
    },
    close: () => client.close(),
  }
}
