import { Socket } from 'node:net'
import { Pool } from 'pg'
import { installTriggers, postgres } from '../../../lib/source/postgres/index.ts'
import { COLLECTION, ROOTS, STORES, type StoreName } from '../../law/roots.ts'
import type { Setting, Stores, Way } from '../../law/setting.ts'
import { realTime } from '../../law/time.ts'
import { freshDatabase, type PostgresServer, releaseDatabase } from '../../support/postgres.ts'
import { ColumnWriter, tableOf } from './column-writer.ts'

/** How changes are learned of, and whether the server tells the row before each. */
export interface PostgresManner {
  changes: 'replication' | 'triggers'
  full?: true
  /** A permanent slot is kept. */
  slot?: true
  /** A folder by whose sockets the processes share what they follow. */
  oncePerHost?: string
}

/** From a history of less than that, whoever writes takes what it is too long by. */
const FEW = 100
/** Milliseconds within which what is written reaches the server. */
const LONGEST_WAY = 4
const BROKEN_OFF = 'the connection broke off, as the law has it'
const TRIM = 'SELECT particle_outbox.trim()'
/** Another node may be copying the slot, or may not have made it yet. */
const ADVANCE = `SELECT pg_replication_slot_advance(slot_name, pg_current_wal_lsn())
  FROM pg_replication_slots WHERE slot_name = $1 AND NOT active`

/** Two databases on a PostgreSQL, one a store, for one run after the other; each process has connections of its own. */
export class PostgresLaw {
  readonly #server: PostgresServer
  readonly #manner: PostgresManner
  readonly #urls: Readonly<Record<StoreName, string>>
  readonly #pools: Readonly<Record<StoreName, Pool>>

  private constructor(server: PostgresServer, manner: PostgresManner, urls: Record<StoreName, string>) {
    this.#server = server
    this.#manner = manner
    this.#urls = urls
    this.#pools = { first: poolOf(urls.first), second: poolOf(urls.second) }
  }

  static async create(server: PostgresServer, manner: PostgresManner): Promise<PostgresLaw> {
    const urls = { first: await freshDatabase(server), second: await freshDatabase(server) }
    const law = new PostgresLaw(server, manner, urls)
    for (const store of STORES)
      for (const statement of tableOf(COLLECTION, manner.full === true))
        await law.#pools[store].query(statement)
    return law
  }

  get setting(): Setting {
    return {
      name: 'PostgreSQL',
      roots: ROOTS,
      time: () => realTime(2),
      calm: 10,
      patience: 6_000,
      lags: true,
      expects: ({ message }) =>
        message.includes(BROKEN_OFF) ||
        /Connection terminated|connection to PostgreSQL ended|is not queryable/.test(message),
      open: (history) => this.#open(history),
    }
  }

  async close(): Promise<void> {
    for (const store of STORES) await releaseDatabase(this.#server, this.#urls[store], this.#pools[store])
  }

  async #open(history: number): Promise<Stores> {
    for (const store of STORES) {
      const pool = this.#pools[store]
      await pool.query(`TRUNCATE ${COLLECTION}`)
      if (this.#manner.changes === 'triggers') await installTriggers(pool, [COLLECTION], { rows: history })
      await this.#forget(store)
    }
    const forget = (store: StoreName) => (history < FEW ? () => this.#forget(store) : undefined)
    const writer = (store: StoreName) => new ColumnWriter(this.#pools[store], COLLECTION, forget(store))
    const writers = { first: writer('first'), second: writer('second') }
    return {
      way: () => this.#way(),
      collection: (store) => writers[store],
      transact: (store, runs) => writers[store].transact(runs),
      close: async () => {},
    }
  }

  /** Takes from a database what it keeps of its history, as far as it may go. */
  async #forget(store: StoreName): Promise<void> {
    const { changes, slot } = this.#manner
    if (changes === 'triggers') await this.#pools[store].query(TRIM)
    if (slot) await this.#pools[store].query(ADVANCE, [slotOf(store)]).catch(() => {})
  }

  /** One process's adapters, whose connections can be cut. */
  #way(): Way {
    const sockets = { first: new Set<Socket>(), second: new Set<Socket>() }
    const pools = {
      first: poolOf(this.#urls.first, sockets.first),
      second: poolOf(this.#urls.second, sockets.second),
    }
    const { changes, slot, oncePerHost } = this.#manner
    const follow = (store: StoreName) => {
      const own = slot ? { slot: slotOf(store) } : {}
      const adapter = postgres(pools[store], { changes, ...own, ...(oncePerHost ? { oncePerHost } : {}) })
      adapter.collection(COLLECTION)
      return adapter
    }
    const adapters = { first: follow('first'), second: follow('second') }
    return {
      adapter: (store) => adapters[store],
      interrupt: (store, lost) => {
        for (const socket of sockets[store]) {
          // By itself, as news of the network come: a pool hands a connection out in the course of a turn, when nobody listens to its errors.
          if (!socket.pending) setImmediate(() => socket.destroy(new Error(BROKEN_OFF)))
        }
        if (lost) void this.#forget(store)
      },
      close: async () => {
        for (const store of STORES) await pools[store].end()
      },
    }
  }
}

/** Slots are the whole server's. */
function slotOf(store: StoreName): string {
  return `law_${process.pid}_${store}`
}

/** A connection whose server is far away: what is written takes its time, while others write. */
class FarSocket extends Socket {
  #way: Promise<unknown> = Promise.resolve()

  override write(...given: unknown[]): boolean {
    this.#later(() => super.write(...(given as Parameters<Socket['write']>)))
    return true
  }

  override end(...given: unknown[]): this {
    this.#later(() => super.end(...(given as [])))
    return this
  }

  #later(act: () => unknown): void {
    const pause = () => new Promise((resolve) => setTimeout(resolve, Math.random() * LONGEST_WAY))
    this.#way = this.#way.then(pause).then(() => {
      if (!this.destroyed) act()
    })
  }
}

/** A pool whose connections, and those that are made like them, go by sockets that are kept in a set. */
function poolOf(connectionString: string, sockets?: Set<Socket>): Pool {
  const stream = () => {
    const socket = new FarSocket()
    sockets?.add(socket)
    return socket.once('close', () => sockets?.delete(socket))
  }
  const pool = new Pool({ connectionString, max: 4, ...(sockets ? { stream } : {}) })
  pool.on('error', () => {})
  return pool
}
