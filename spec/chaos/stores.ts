import pg from 'pg'
import { createClient } from 'redis'
import { type PostgresServer, startPostgres } from '../support/postgres.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { Line } from './line.ts'
import { STRANGER, TABLES, USERS } from './world.ts'

export const STORES = ['postgres', 'redis'] as const
export type StoreName = (typeof STORES)[number]

/** Names the stream of Redis that nodes follow. */
export const STREAM = 'changes'

/** Ends what follows PostgreSQL's changes, and the slots with all that they keep. */
const FORGET = [
  'SELECT pg_terminate_backend(active_pid, 2000) FROM pg_replication_slots WHERE active_pid IS NOT NULL',
  'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE active_pid IS NULL',
]

/** A PostgreSQL and a Redis, which only this run uses, and a line from each node to each of them. */
export class Stores {
  /** Reach the stores directly, as the application's writes and the checks do. */
  readonly pool: pg.Pool
  readonly client: ReturnType<typeof createClient>
  readonly #postgres: PostgresServer
  readonly #redis: RedisServer
  readonly #lines: Record<StoreName, Line>[] = []
  /** Keep faults of one store apart: none begins before the last one is over. */
  readonly #turns: Record<StoreName, Promise<unknown>> = {
    postgres: Promise.resolve(),
    redis: Promise.resolve(),
  }

  private constructor(postgres: PostgresServer, redis: RedisServer) {
    this.#postgres = postgres
    this.#redis = redis
    this.pool = new pg.Pool({ connectionString: postgres.url, max: 4 })
    this.pool.on('error', () => {})
    this.client = createClient({ url: redis.url })
    this.client.on('error', () => {})
  }

  static startPostgres = (): Promise<PostgresServer> => startPostgres({ settings: {} })
  /** Redis writes each command to its file before it answers, so that a crash loses nothing. */
  static startRedis = (): Promise<RedisServer> => startRedis('--appendonly', 'yes')

  /** Fills the stores, and opens the lines of so many nodes. */
  static async open(postgres: PostgresServer, redis: RedisServer, nodes: number): Promise<Stores> {
    const stores = new Stores(postgres, redis)
    await stores.client.connect()
    for (const statement of TABLES) await stores.pool.query(statement)
    for (const person of [...USERS, STRANGER])
      await stores.pool.query('INSERT INTO people VALUES ($1, 1)', [person])
    for (let node = 0; node < nodes; node++) {
      const [one, other] = [await Line.open(portOf(postgres.url)), await Line.open(portOf(redis.url))]
      stores.#lines.push({ postgres: one, redis: other })
    }
    return stores
  }

  /** Returns the addresses of the stores for a node: those of its lines. */
  urlsOf(node: number): Record<StoreName, string> {
    const lines = this.#lines[node]
    if (!lines) throw new Error(`There is no line of node ${node}`)
    const through = (url: string, { port }: Line) => Object.assign(new URL(url), { port: String(port) }).href
    return {
      postgres: through(this.#postgres.url, lines.postgres),
      redis: through(this.#redis.url, lines.redis),
    }
  }

  async stall(node: number, store: StoreName, ms: number): Promise<void> {
    await this.#lines[node]?.[store].stall(ms)
  }

  break(node: number, store: StoreName): void {
    this.#lines[node]?.[store].break()
  }

  /** Freezes all of a store's processes for so many milliseconds. */
  freeze(store: StoreName, ms: number): Promise<void> {
    return this.#inTurn(store, async () => {
      const server = store === 'postgres' ? this.#postgres : this.#redis
      server.signal?.('SIGSTOP')
      await new Promise((resolve) => setTimeout(resolve, ms))
      server.signal?.('SIGCONT')
    })
  }

  restart(store: StoreName, signal: 'SIGINT' | 'SIGTERM' | 'SIGKILL'): Promise<void> {
    return this.#inTurn(store, async () => {
      await (store === 'postgres' ? this.#postgres : this.#redis).restart?.(signal)
    })
  }

  /** Takes from a store what nodes need to go on where they were. */
  forget(store: StoreName): Promise<void> {
    return this.#inTurn(store, async () => {
      if (store === 'redis') await this.client.del(STREAM)
      // A node may begin to follow anew between the two statements.
      else for (const statement of FORGET) await this.pool.query(statement).catch(() => {})
    })
  }

  /** Takes everything from Redis: the documents and the stream. */
  flush(): Promise<void> {
    return this.#inTurn('redis', async () => {
      await this.client.flushDb()
    })
  }

  /** Resolves when no fault of a store is under way. */
  async settled(): Promise<void> {
    await Promise.all(STORES.map((store) => this.#turns[store]))
  }

  async stop(): Promise<void> {
    await this.settled()
    for (const lines of this.#lines) for (const store of STORES) lines[store].close()
    await this.pool.end()
    this.client.destroy()
    await Promise.all([this.#postgres.stop(), this.#redis.stop()])
  }

  #inTurn(store: StoreName, act: () => Promise<void>): Promise<void> {
    const acting = this.#turns[store].then(act)
    this.#turns[store] = acting.catch(() => {})
    return acting
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}
