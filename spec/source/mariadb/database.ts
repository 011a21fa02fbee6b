import { createPool, type Pool, type RowDataPacket } from 'mysql2/promise'
import { type MariadbAdapter, type MariadbOptions, mariadb } from '../../../lib/source/mariadb/index.ts'
import type { Subscription } from '../../../lib/source/source.ts'
import { freshDatabase, type MariadbServer, mariadbOrSkip, releaseDatabase } from '../../support/mariadb.ts'
import { closeAll, Recorder } from '../mongo/fold.ts'

/** A database of its own for one spec, and what follows it. */
export class TestDatabase {
  readonly url: string
  readonly pool: Pool
  readonly server: MariadbServer
  readonly #subscriptions: Subscription[] = []
  readonly #pools: Pool[] = []

  private constructor(server: MariadbServer, url: string) {
    this.server = server
    this.url = url
    this.pool = this.newPool()
  }

  static async create(server: MariadbServer): Promise<TestDatabase> {
    return new TestDatabase(server, await freshDatabase(server))
  }

  /** A pool as another process would have it. */
  newPool(uri = this.url): Pool {
    const pool = createPool({ uri, connectionLimit: 4 })
    this.#pools.push(pool)
    return pool
  }

  async run(...statements: string[]): Promise<void> {
    for (const statement of statements) await this.pool.query(statement)
  }

  /** Runs statements in one transaction. */
  async transaction(...statements: string[]): Promise<void> {
    const connection = await this.pool.getConnection()
    try {
      for (const statement of ['START TRANSACTION', ...statements, 'COMMIT'])
        await connection.query(statement)
    } finally {
      connection.release()
    }
  }

  /** An adapter of the database that knows these tables. */
  adapter(tables: readonly string[], options: MariadbOptions = {}, pool = this.pool): MariadbAdapter {
    const adapter = mariadb(pool, options)
    for (const table of tables) adapter.collection(table)
    return adapter
  }

  async follow(adapter: MariadbAdapter, from?: string) {
    const recorder = new Recorder()
    const subscription = await adapter.open(recorder, from)
    this.#subscriptions.push(subscription)
    if (recorder.position === '') recorder.position = subscription.position
    return { adapter, recorder, subscription }
  }

  /** How many dumps of this database's followers the server sends. */
  async dumps(): Promise<number> {
    const [rows] = await this.pool.query<RowDataPacket[]>(
      `SELECT COUNT(*) AS count FROM information_schema.processlist
        WHERE command = 'Binlog Dump' AND db = DATABASE()`,
    )
    return Number(rows[0]?.count)
  }

  async close(): Promise<void> {
    await closeAll(this.#subscriptions)
    for (const pool of this.#pools.splice(0)) await pool.end().catch(() => {})
    await releaseDatabase(this.server, this.url)
  }
}

/** Gives each test of a suite a database of its own, which `take` is told of first. */
export function eachDatabase(take: (database: TestDatabase) => unknown): void {
  let server: MariadbServer
  let database: TestDatabase
  before(async function () {
    server = await mariadbOrSkip(this)
  })
  beforeEach(async () => {
    database = await TestDatabase.create(server)
    await take(database)
  })
  afterEach(() => database?.close())
}
