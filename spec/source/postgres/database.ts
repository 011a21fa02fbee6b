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
  readonly #poolOf = new Map<string, Pool>()

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

  /**
   * Returns an adapter of the database that knows these tables; by triggers, they are installed. Other options
   * have another pool, since a pool has one adapter.
   */
  async adapter(
    mode: Mode,
    tables: string[],
    given: PostgresOptions = {},
    pool?: Pool,
  ): Promise<PostgresAdapter> {
    if (mode === 'triggers') await installTriggers(this.pool, tables)
    const options = { changes: mode, checkInterval: 200, ...given }
    const adapter = postgres(pool ?? this.#poolFor(JSON.stringify(options)), options)
    for (const table of tables) adapter.collection(table)
    return adapter
  }

  /** Returns the pool of these options: the database's own for the first ones. */
  #poolFor(options: string): Pool {
    const pool = this.#poolOf.get(options) ?? (this.#poolOf.size === 0 ? this.pool : this.newPool())
    this.#poolOf.set(options, pool)
    return pool
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
