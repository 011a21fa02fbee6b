import { Socket } from 'node:net'
import { createPool, type Pool, type RowDataPacket } from 'mysql2/promise'
import { mariadb } from '../../../lib/source/mariadb/index.ts'
import { COLLECTION, ROOTS, STORES, type StoreName } from '../../law/roots.ts'
import type { Setting, Stores, Way } from '../../law/setting.ts'
import { realTime } from '../../law/time.ts'
import { freshDatabase, type MariadbServer, releaseDatabase } from '../../support/mariadb.ts'
import { ColumnWriter, tableOf } from './column-writer.ts'

/** From a history of less than that, whoever writes takes what it is too long by. */
const FEW = 100
/** Milliseconds within which what is written reaches the server. */
const LONGEST_WAY = 4
const BROKEN_OFF = 'the connection broke off, as the law has it'
/** What a connection says that broke off, and a server whose log is deleted just before it is asked for. */
const EXPECTED = /closed the connection|in closed state|Could not find first log file|log was deleted while/

/** Two databases on a MariaDB, one a store, for one run after the other; each process has connections of its own. */
export class MariadbLaw {
  readonly #server: MariadbServer
  readonly #urls: Readonly<Record<StoreName, string>>
  readonly #pools: Readonly<Record<StoreName, Pool>>

  private constructor(server: MariadbServer, urls: Record<StoreName, string>) {
    this.#server = server
    this.#urls = urls
    this.#pools = { first: poolOf(urls.first), second: poolOf(urls.second) }
  }

  static async create(server: MariadbServer): Promise<MariadbLaw> {
    const urls = { first: await freshDatabase(server), second: await freshDatabase(server) }
    const law = new MariadbLaw(server, urls)
    for (const store of STORES) await law.#pools[store].query(tableOf(COLLECTION))
    return law
  }

  get setting(): Setting {
    return {
      name: 'MariaDB',
      roots: ROOTS,
      time: () => realTime(2),
      calm: 10,
      patience: 6_000,
      lags: true,
      expects: ({ message }) => message.includes(BROKEN_OFF) || EXPECTED.test(message),
      open: (history) => this.#open(history),
    }
  }

  async close(): Promise<void> {
    for (const store of STORES) await releaseDatabase(this.#server, this.#urls[store], this.#pools[store])
  }

  async #open(history: number): Promise<Stores> {
    for (const store of STORES) await this.#pools[store].query(`TRUNCATE ${COLLECTION}`)
    await this.#forget()
    const forget = history < FEW ? () => this.#forget() : undefined
    const writer = (store: StoreName) => new ColumnWriter(this.#pools[store], COLLECTION, forget)
    const writers = { first: writer('first'), second: writer('second') }
    return {
      way: () => this.#way(),
      collection: (store) => writers[store],
      transact: (store, runs) => writers[store].transact(runs),
      close: async () => {},
    }
  }

  /** Takes from the server all of its log, as far as nobody reads it. */
  async #forget(): Promise<void> {
    const pool = this.#pools.first
    await pool.query('FLUSH BINARY LOGS')
    const [[status]] = await pool.query<RowDataPacket[]>('SHOW MASTER STATUS')
    await pool.query('PURGE BINARY LOGS TO ?', [status?.File])
  }

  /** One process's adapters, whose connections can be cut. */
  #way(): Way {
    const sockets = { first: new Set<Socket>(), second: new Set<Socket>() }
    const pools = {
      first: poolOf(this.#urls.first, sockets.first),
      second: poolOf(this.#urls.second, sockets.second),
    }
    const follow = (store: StoreName) => {
      const adapter = mariadb(pools[store])
      adapter.collection(COLLECTION)
      return adapter
    }
    const adapters = { first: follow('first'), second: follow('second') }
    return {
      adapter: (store) => adapters[store],
      interrupt: (store, lost) => {
        for (const socket of sockets[store]) {
          // By itself, as news of the network come: a pool hands a connection out in the course of a turn.
          if (!socket.pending) setImmediate(() => socket.destroy(new Error(BROKEN_OFF)))
        }
        if (lost) void this.#forget()
      },
      close: async () => {
        for (const store of STORES) await pools[store].end()
      },
    }
  }
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
function poolOf(uri: string, sockets?: Set<Socket>): Pool {
  const { hostname, port } = new URL(uri)
  const stream = () => {
    const socket = new FarSocket()
    sockets?.add(socket)
    socket.once('close', () => sockets?.delete(socket))
    return socket.connect(Number(port || 3306), hostname)
  }
  return createPool({ uri, connectionLimit: 4, ...(sockets ? { stream } : {}) })
}
