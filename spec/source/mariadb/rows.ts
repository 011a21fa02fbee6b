import { EventEmitter, once } from 'node:events'
import { type Pool as CallbackPool, createPool as createCallbackPool, type PoolOptions } from 'mysql2'
import type { RowDataPacket } from 'mysql2/promise'
import type { Document } from '../../../lib/model/document.ts'
import { loadTable } from '../../../lib/source/mariadb/catalog.ts'
import { fits, type LoggedRow, type RowChange, translateRow } from '../../../lib/source/mariadb/change.ts'
import { promised } from '../../../lib/source/mariadb/pool.ts'
import { readDocuments } from '../../../lib/source/mariadb/read.ts'
import type { Table, TableOptions } from '../../../lib/source/mariadb/table.ts'
import type { Change, Query, ReadOptions } from '../../../lib/source/source.ts'
import { freshDatabase, type MariadbServer, releaseDatabase } from '../../support/mariadb.ts'

/** A change of the log, as zongji has it, and its translation. */
export interface LoggedChange {
  table: string
  fits: boolean
  row: RowChange
  changes: Change[]
}

interface RowsEvent {
  getEventName(): string
  tableId: number
  tableMap: Record<number, { tableName: string; columns: { name: string; type: number }[] }>
  rows: (LoggedRow & { before: LoggedRow; after: LoggedRow })[]
}

/** Returns a literal of a text, whatever its characters are. */
export function utf8(text: string): string {
  return `_utf8mb4 X'${Buffer.from(text).toString('hex')}'`
}

/** A database whose rows a spec reads and finds in the log, without the source that follows it. */
export class RowDatabase {
  readonly name: string
  readonly pool: CallbackPool
  readonly #url: string
  readonly #server: MariadbServer
  readonly #pools: CallbackPool[] = []

  private constructor(server: MariadbServer, url: string) {
    this.#server = server
    this.#url = url
    this.name = new URL(url).pathname.slice(1)
    this.pool = this.newPool()
  }

  static async create(server: MariadbServer): Promise<RowDatabase> {
    return new RowDatabase(server, await freshDatabase(server))
  }

  newPool(options: PoolOptions = {}): CallbackPool {
    const pool = createCallbackPool({ uri: this.#url, connectionLimit: 3, ...options })
    this.#pools.push(pool)
    return pool
  }

  async run(...statements: string[]): Promise<void> {
    for (const statement of statements) await promised(this.pool).query(statement)
  }

  /** Runs statements by a session that takes any value, in another time zone. */
  async write(...statements: string[]): Promise<void> {
    const connection = await promised(this.pool).getConnection()
    try {
      await connection.query("SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
      for (const statement of statements) await connection.query(statement)
    } finally {
      connection.destroy()
    }
  }

  reference(name: string, options: TableOptions = {}) {
    return { database: this.name, name, collection: name, options }
  }

  async table(name: string, options: TableOptions = {}, pool = this.pool): Promise<Table> {
    const connection = await promised(pool).getConnection()
    try {
      const table = await loadTable(connection, this.reference(name, options))
      if (!table) throw new Error(`There is no table ${name}`)
      return table
    } finally {
      connection.release()
    }
  }

  async read(
    name: string,
    query: Query = {},
    first?: ReadOptions,
    options: TableOptions = {},
    pool = this.pool,
  ): Promise<Document[]> {
    const documents: Document[] = []
    const table = this.reference(name, options)
    await readDocuments({ pool, table }, { query, first }, (batch) => void documents.push(...batch))
    return documents
  }

  /** Returns the changes that the log has of what `write` does, translated by the tables' present definitions. */
  async logged(write: () => Promise<unknown>, tables: readonly Table[]): Promise<LoggedChange[]> {
    const { default: ZongJi } = await import('@vlasky/zongji')
    const [rows] = await promised(this.pool).query<RowDataPacket[]>('SHOW MASTER STATUS')
    const { hostname, port, username, password } = new URL(this.#url)
    const zongji = new ZongJi({
      host: hostname,
      port: Number(port),
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
      dateStrings: true,
      jsonStrings: true,
      timezone: 'Z',
    })
    const found: LoggedChange[] = []
    const end = new EventEmitter()
    zongji.on('error', (error: unknown) => end.emit('error', error))
    zongji.on('binlog', (event: unknown) => {
      const name = (event as RowsEvent).getEventName()
      if (!/^(?:write|update|delete)rows$/.test(name)) return
      const { tableId, tableMap, rows: changed } = event as RowsEvent
      const { tableName = '', columns = [] } = tableMap[tableId] ?? {}
      if (tableName === 'end_of_log') end.emit('end')
      const table = tables.find((one) => one.name === tableName)
      if (!table) return
      const layout = { names: columns.map((one) => one.name), typeCodes: columns.map(({ type }) => type) }
      for (const row of changed) found.push(translated(table, fits(table, layout), changeOf(name, row)))
    })
    zongji.start({
      serverId: 1_000_000 + Math.floor(Math.random() * 1e9),
      filename: rows[0]?.File,
      position: rows[0]?.Position,
      includeSchema: { [this.name]: true },
    })
    try {
      await Promise.race([once(zongji, 'ready'), once(end, 'end')])
      await write()
      const reached = once(end, 'end')
      await this.run(
        'CREATE OR REPLACE TABLE end_of_log (id INT PRIMARY KEY)',
        'INSERT INTO end_of_log VALUES (1)',
      )
      await reached
      return found
    } finally {
      const stopped = once(zongji, 'stopped')
      zongji.stop()
      await stopped
    }
  }

  async close(): Promise<void> {
    for (const pool of this.#pools.splice(0)) await promised(pool).end()
    await releaseDatabase(this.#server, this.#url)
  }

  /** Connects as another user, runs, and ends the connection. */
  async as<T>(user: string, run: (pool: CallbackPool) => Promise<T>): Promise<T> {
    const url = new URL(this.#url)
    const pool = createCallbackPool({ host: url.hostname, port: Number(url.port), user, password: 'secret' })
    try {
      return await run(pool)
    } finally {
      await promised(pool).end()
    }
  }
}

function changeOf(event: string, row: RowsEvent['rows'][number]): RowChange {
  if (event === 'updaterows') return { kind: 'update', before: row.before, after: row.after }
  return event === 'writerows' ? { kind: 'insert', after: row } : { kind: 'delete', before: row }
}

function translated(table: Table, isFit: boolean, row: RowChange): LoggedChange {
  const context = {
    timestamp: '2024-05-06T07:08:09.000Z',
    transaction: 'one',
    position: (index: number) => `p.${index}`,
  }
  return { table: table.name, fits: isFit, row, changes: translateRow(table, row, context) }
}
