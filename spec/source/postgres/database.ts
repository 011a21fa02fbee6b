import { Pool } from 'pg'
import {
  installTriggers,
  type PostgresAdapter,
  type PostgresOptions,
  postgres,
} from '../../../lib/source/postgres/index.ts'
import type { Subscription } from '../../../lib/source/source.ts'
import {
  freshDatabase,
  type PostgresServer,
  postgresOrSkip,
  releaseDatabase,
} from '../../support/postgres.ts'
import { closeAll, Recorder } from '../mongo/fold.ts'

/** The two ways to learn of changes. */
export const MODES = ['replication', 'triggers'] as const
export type Mode = (typeof MODES)[number]

/** A database of its own for one spec, and what follows it. */
export class TestDatabase {
  readonly url: string
  readonly pool: Pool
  readonly server: PostgresServer
  readonly #subscriptions: Subscription[] = []
  readonly #pools: Pool[] = []

  private constructor(server: PostgresServer, url: string) {
    this.server = server
    this.url = url
    this.pool = this.newPool()
  }

  static async create(server: PostgresServer): Promise<TestDatabase> {
    return new TestDatabase(server, await freshDatabase(server))
  }

  /** A pool as another process would have it. */
  newPool(url = this.url): Pool {
    const pool = new Pool({ connectionString: url, max: 4 })
    pool.on('error', () => {})
    this.#pools.push(pool)
    return pool
  }

  async run(...statements: string[]): Promise<void> {
    for (const statement of statements) await this.pool.query(statement)
  }

  /** Runs statements in one transaction. */
  async transaction(...statements: string[]): Promise<void> {
    const client = await this.pool.connect()
    try {
      for (const statement of ['BEGIN', ...statements, 'COMMIT']) await client.query(statement)
    } finally {
      client.release()
    }
  }

  /** An adapter of the database that knows these tables; by triggers, they are installed. */
  async adapter(
    mode: Mode,
    tables: string[],
    options: PostgresOptions = {},
    pool = this.pool,
  ): Promise<PostgresAdapter> {
    if (mode === 'triggers') await installTriggers(this.pool, tables)
    const adapter = postgres(pool, { changes: mode, checkInterval: 200, ...options })
    for (const table of tables) adapter.collection(table)
    return adapter
  }

  async follow(adapter: PostgresAdapter, from?: string) {
    const recorder = new Recorder()
    const subscription = await adapter.open(recorder, from)
    this.#subscriptions.push(subscription)
    if (recorder.position === '') recorder.position = subscription.position
    return { adapter, recorder, subscription }
  }

  /** How many slots and connections of Particle's own there are. */
  async leftovers(): Promise<{ slots: number; connections: number }> {
    const { rows } = await this.pool.query(
      `SELECT (SELECT count(*)::int FROM pg_replication_slots WHERE database = current_database()) AS slots,
        (SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'particle') AS connections`,
    )
    return rows[0]
  }

  async close(): Promise<void> {
    await closeAll(this.#subscriptions)
    for (const pool of this.#pools.splice(0)) await pool.end().catch(() => {})
    await releaseDatabase(this.server, this.url)
  }
}

/** Gives each test of a suite a database of its own, which `take` is told of first. */
export function eachDatabase(take: (database: TestDatabase) => unknown): void {
  let server: PostgresServer
  let database: TestDatabase
  before(async function () {
    server = await postgresOrSkip(this)
  })
  beforeEach(async () => {
    database = await TestDatabase.create(server)
    await take(database)
  })
  afterEach(() => database?.close())
}
