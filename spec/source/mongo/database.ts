import { type Db, MongoClient } from 'mongodb'
import { Server } from '../../../lib/server/index.ts'
import { mongo } from '../../../lib/source/mongo/index.ts'
import type { Subscription } from '../../../lib/source/source.ts'
import { LocalClient } from '../../support/local.ts'
import { mongoOrSkip } from '../../support/mongod.ts'
import { closeAll, freshDatabase } from './fold.ts'

/** A database of one spec, with what is served and followed of it. */
export class TestDatabase {
  readonly client: MongoClient
  readonly db: Db
  /** What `onError` of the servers was told. */
  readonly errors: string[] = []
  /** Closed at the end. */
  readonly open: Subscription[] = []
  readonly #servers: Server[] = []

  constructor(client: MongoClient) {
    this.client = client
    this.db = freshDatabase(client)
  }

  /** Serves collections as roots, with a dash for each dot; resolves to a client of them. */
  async serve(names: readonly string[], db = this.db): Promise<LocalClient> {
    const dataSources = Object.fromEntries(
      names.map((name) => [
        name.replace('.', '-'),
        { manifest: true as const, collection: mongo(db).collection(name) },
      ]),
    )
    const server = new Server({ dataSources, onError: (error) => void this.errors.push(String(error)) })
    this.#servers.push(server)
    return await LocalClient.connect(server)
  }

  async close(): Promise<void> {
    await closeAll(this.open)
    await Promise.all(this.#servers.map((server) => server.disconnect()))
    await this.db.dropDatabase()
  }
}

/** Gives each test of a suite a database of its own, which `take` is told of first. */
export function eachDatabase(take: (database: TestDatabase) => void): void {
  let client: MongoClient
  let database: TestDatabase
  before(async function () {
    client = new MongoClient((await mongoOrSkip(this)).url)
  })
  beforeEach(() => {
    database = new TestDatabase(client)
    take(database)
  })
  afterEach(() => database?.close())
  after(() => client?.close())
}
