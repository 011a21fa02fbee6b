import type { Pool, PoolConnection, RowDataPacket } from 'mysql2/promise'
import type { Document, Json } from '../../../lib/model/document.ts'
import { canonical } from '../../../lib/model/json.ts'
import { type Choose, type Difference, DifferenceWriter } from '../../law/difference-writer.ts'
import { HIDDEN } from '../../law/witness.ts'
import { JSON_KEY } from './table.ts'

/** The columns of the fields that the law writes; the key holds numbers and texts. Another column, `noise`, is nobody's. */
const COLUMNS: Readonly<Record<string, string>> = {
  _id: JSON_KEY,
  name: 'LONGTEXT',
  nick: 'TEXT',
  label: 'VARCHAR(2000)',
  secret: 'TEXT',
  n: 'DOUBLE',
  m: 'DOUBLE',
  team: 'JSON',
  kind: 'JSON',
  was: 'JSON',
  place: 'JSON',
  tags: 'JSON',
  todos: 'JSON',
}
const NAMES = Object.keys(COLUMNS)
const FIELDS = NAMES.filter((name) => name !== '_id')
const ENCODED: ReadonlySet<string> = new Set(['_id', ...FIELDS.filter((name) => COLUMNS[name] === 'JSON')])

/** What rows have within a transaction alone, which nobody may be told of. */
const WITHIN = `name = '${HIDDEN}', nick = '${HIDDEN}', team = '"blue"', n = 1e9`

/** The statement that makes a table for a {@link ColumnWriter}. */
export function tableOf(name: string): string {
  const columns = Object.entries(COLUMNS).map(([column, type]) => `${column} ${type}`)
  return `CREATE TABLE ${name} (${columns.join(', ')}, noise TEXT)`
}

/**
 * Writes as applications do: the columns that changed or the whole row, by updates, upserts and replacements, one by
 * one or many at once, in transactions of which some parts are taken back.
 */
export class ColumnWriter extends DifferenceWriter {
  readonly #pool: Pool
  readonly #table: string
  readonly #forget: (() => Promise<unknown>) | undefined

  /** `forget` is called after each write, and takes from the database what it keeps of its history. */
  constructor(pool: Pool, table: string, forget: (() => Promise<unknown>) | undefined) {
    super()
    this.#pool = pool
    this.#table = table
    this.#forget = forget
  }

  protected async read(): Promise<Document[]> {
    return await this.#rows(this.#pool)
  }

  protected async write(differences: readonly Difference[], choose: Choose, atOnce: boolean): Promise<void> {
    // A change of all rows that nobody is shown.
    if (choose(true, false)) await this.#pool.query(`UPDATE ${this.#table} SET noise = ?`, [choose('a', 'b')])
    // A change of the table that no row has a part in.
    if (choose(true, ...Array.from({ length: 30 }, () => false)))
      await this.#pool.query(`ALTER TABLE ${this.#table} COMMENT = '${choose('a', 'b')}'`)
    if (atOnce || choose(true, false))
      await this.#transaction((connection) => this.#atOnce(connection, differences, choose))
    else for (const difference of differences) await this.#one(this.#pool, difference, choose)
    await this.#forget?.()
  }

  protected async clear(choose: Choose): Promise<void> {
    const way = choose('truncate', 'delete', 'both')
    if (way === 'truncate') await this.#pool.query(`TRUNCATE ${this.#table}`)
    else if (way === 'delete') await this.#pool.query(`DELETE FROM ${this.#table}`)
    else
      await this.#transaction(async (connection) => {
        await connection.query(`UPDATE ${this.#table} SET ${WITHIN}`)
        await connection.query(`DELETE FROM ${this.#table}`)
        await this.#insert(connection, [{ _id: 5, name: HIDDEN }])
        await connection.query(`DELETE FROM ${this.#table}`)
      })
    await this.#forget?.()
  }

  async #rows(on: Pool | PoolConnection): Promise<Document[]> {
    // As text: the driver parses JSON by itself, unless it was told not to, and rounds numbers of 17 digits.
    const columns = NAMES.map((name) => `CONCAT(${name}) AS ${name}`)
    const [rows] = await on.query<RowDataPacket[]>(`SELECT ${columns} FROM ${this.#table}`)
    return rows.map((row) => Object.fromEntries(NAMES.map((name) => [name, decode(name, row[name])])))
  }

  async #transaction(run: (connection: PoolConnection) => Promise<void>): Promise<void> {
    const connection = await this.#pool.getConnection()
    try {
      await connection.query('START TRANSACTION')
      await run(connection)
      await connection.query('COMMIT')
    } catch (error) {
      await connection.query('ROLLBACK').catch(() => {})
      throw error
    } finally {
      connection.release()
    }
  }

  /** One difference, by a statement of its own. */
  async #one(on: Pool | PoolConnection, { id, before, after }: Difference, choose: Choose): Promise<void> {
    if (!after) return await this.#delete(on, [id])
    const way = choose('plain', 'plain', 'upsert', 'replace')
    if (way === 'replace') await this.#insert(on, [after], 'REPLACE')
    else if (way === 'upsert') await this.#upsert(on, choose(changed(before ?? {}, after), FIELDS), [after])
    else if (before) await this.#update(on, choose(changed(before, after), FIELDS), after)
    else await this.#insert(on, [after])
  }

  /** All within one transaction. */
  async #atOnce(
    connection: PoolConnection,
    differences: readonly Difference[],
    choose: Choose,
  ): Promise<void> {
    const ids = differences.map(({ id }) => id)
    if (choose(true, false, false)) {
      await connection.query('SAVEPOINT s')
      await connection.query(`UPDATE ${this.#table} SET ${WITHIN}`)
      await connection.query('ROLLBACK TO s')
    }
    const way = choose('rows', 'statements', 'twice', 'anew')
    if (way === 'statements') return await this.#statements(connection, differences)
    if (way === 'anew') {
      await this.#delete(connection, ids)
      const there = differences.map(({ after }) => after).filter((after) => after !== undefined)
      return await this.#insert(connection, there)
    }
    if (way === 'twice') {
      const rows = await this.#rows(connection)
      await connection.query(`UPDATE ${this.#table} SET ${WITHIN}`)
      await this.#upsert(connection, FIELDS, rows)
    }
    for (const difference of differences) await this.#one(connection, difference, choose)
  }

  /** One statement for all deletes, one for all inserts, and one for all updates of the same columns. */
  async #statements(connection: PoolConnection, differences: readonly Difference[]): Promise<void> {
    const updates = new Map<string, Document[]>()
    const inserts: Document[] = []
    for (const { before, after } of differences) {
      if (!after) continue
      const names = before ? changed(before, after).join() : ''
      if (before) updates.set(names, [...(updates.get(names) ?? []), after])
      else inserts.push(after)
    }
    for (const [names, documents] of updates) await this.#upsert(connection, names.split(','), documents)
    await this.#delete(
      connection,
      differences.filter(({ after }) => !after).map(({ id }) => id),
    )
    await this.#insert(connection, inserts)
  }

  async #insert(
    on: Pool | PoolConnection,
    documents: readonly Document[],
    verb: 'INSERT' | 'REPLACE' = 'INSERT',
  ): Promise<void> {
    if (documents.length === 0) return
    const rows = documents.map((document) => NAMES.map((name) => encode(name, document)))
    await on.query(`${verb} INTO ${this.#table} (${NAMES}) VALUES ?`, [rows])
  }

  /** Updates rows that are there, and inserts the others. */
  async #upsert(
    on: Pool | PoolConnection,
    columns: readonly string[],
    documents: readonly Document[],
  ): Promise<void> {
    if (documents.length === 0) return
    const rows = documents.map((document) => ['_id', ...columns].map((name) => encode(name, document)))
    const settings = columns.map((column) => `${column} = VALUES(${column})`)
    await on.query(
      `INSERT INTO ${this.#table} (_id, ${columns}) VALUES ? ON DUPLICATE KEY UPDATE ${settings}`,
      [rows],
    )
  }

  async #update(on: Pool | PoolConnection, columns: readonly string[], document: Document): Promise<void> {
    const settings = columns.map((column) => `${column} = ?`)
    await on.query(`UPDATE ${this.#table} SET ${settings} WHERE _id = ?`, [
      ...columns.map((name) => encode(name, document)),
      encode('_id', document),
    ])
  }

  async #delete(on: Pool | PoolConnection, ids: readonly Json[]): Promise<void> {
    if (ids.length === 0) return
    const texts = ids.map((id) => JSON.stringify(id))
    await on.query(`DELETE FROM ${this.#table} WHERE _id IN (?)`, [texts])
  }
}

function encode(name: string, document: Document): unknown {
  const value = document[name] ?? null
  return ENCODED.has(name) && value !== null ? JSON.stringify(value) : value
}

function decode(name: string, text: string | null): Json {
  if (text === null || (!ENCODED.has(name) && COLUMNS[name] !== 'DOUBLE')) return text
  return JSON.parse(text)
}

function changed(before: Document, after: Document): string[] {
  return FIELDS.filter((name) => canonical(before[name] ?? null) !== canonical(after[name] ?? null))
}
