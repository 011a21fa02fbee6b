import type { Pool, PoolClient } from 'pg'
import type { Document, Json } from '../../../lib/model/document.ts'
import { canonical } from '../../../lib/model/json.ts'
import { type Choose, type Difference, DifferenceWriter } from '../../law/difference-writer.ts'
import { HIDDEN } from '../../law/witness.ts'

/** The columns of the fields that the law writes; the key holds numbers and texts. Another column, `noise`, is nobody's. */
const COLUMNS: Record<string, string> = {
  _id: 'jsonb PRIMARY KEY',
  name: 'text',
  nick: 'text',
  label: 'text',
  secret: 'text',
  n: 'double precision',
  m: 'double precision',
  team: 'jsonb',
  kind: 'jsonb',
  was: 'jsonb',
  place: 'jsonb',
  tags: 'jsonb',
  todos: 'jsonb',
}
const NAMES = Object.keys(COLUMNS)
const FIELDS = NAMES.filter((name) => name !== '_id')

/** What rows have within a transaction alone, which nobody may be told of. */
const WITHIN = `name = '${HIDDEN}', nick = '${HIDDEN}', team = '"blue"', n = 1e9`

/** The statements that make a table for a {@link ColumnWriter}; `full` tells the row before each change. */
export function tableOf(name: string, full: boolean): string[] {
  const columns = Object.entries(COLUMNS).map(([column, type]) => `${column} ${type}`)
  return [
    `CREATE TABLE ${name} (${columns.join(', ')}, noise text)`,
    // Not compressed, so that TOAST keeps a long one apart, and an update of other columns leaves it untold.
    `ALTER TABLE ${name} ALTER name SET STORAGE EXTERNAL`,
    `ALTER TABLE ${name} REPLICA IDENTITY ${full ? 'FULL' : 'DEFAULT'}`,
  ]
}

/** Writes as applications do: the columns that changed or the whole row, one by one or many at once, in transactions of which some parts are taken back. */
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
    const { rows } = await this.#pool.query(`SELECT ${NAMES.join(', ')} FROM ${this.#table}`)
    return rows
  }

  protected async write(differences: readonly Difference[], choose: Choose, atOnce: boolean): Promise<void> {
    // A change of all rows that nobody is shown: what has a long name is told without it.
    if (choose(true, false))
      await this.#pool.query(`UPDATE ${this.#table} SET noise = $1`, [choose('a', 'b')])
    if (atOnce || choose(true, false))
      await this.#transaction((client) => this.#atOnce(client, differences, choose))
    else for (const difference of differences) await this.#one(this.#pool, difference, choose)
    await this.#forget?.()
  }

  protected async clear(choose: Choose): Promise<void> {
    const way = choose('truncate', 'delete', 'both')
    if (way === 'truncate') await this.#pool.query(`TRUNCATE ${this.#table}`)
    else if (way === 'delete') await this.#pool.query(`DELETE FROM ${this.#table}`)
    else
      await this.#transaction(async (client) => {
        await client.query(`UPDATE ${this.#table} SET ${WITHIN}`)
        await client.query(`TRUNCATE ${this.#table}`)
        await this.#insert(client, [{ _id: 5, name: HIDDEN }])
        await client.query(`DELETE FROM ${this.#table}`)
      })
    await this.#forget?.()
  }

  async #transaction(run: (client: PoolClient) => Promise<void>): Promise<void> {
    const client = await this.#pool.connect()
    try {
      await client.query('BEGIN')
      await run(client)
      await client.query('COMMIT')
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {})
      throw error
    } finally {
      client.release()
    }
  }

  /** One difference, by a statement of its own. */
  async #one(client: Pool | PoolClient, { id, before, after }: Difference, choose: Choose): Promise<void> {
    if (!after) await this.#delete(client, [id])
    else if (before) await this.#update(client, choose(changed(before, after), FIELDS), [after])
    else await this.#insert(client, [after])
  }

  /** All within one transaction. */
  async #atOnce(client: PoolClient, differences: readonly Difference[], choose: Choose): Promise<void> {
    const ids = differences.map(({ id }) => id)
    if (choose(true, false, false)) {
      await client.query('SAVEPOINT s')
      await client.query(`UPDATE ${this.#table} SET ${WITHIN}`)
      await client.query('ROLLBACK TO s')
    }
    const way = choose('rows', 'statements', 'twice', 'anew')
    if (way === 'statements') return await this.#statements(client, differences)
    if (way === 'anew') {
      await this.#delete(client, ids)
      const there = differences.map(({ after }) => after).filter((after) => after !== undefined)
      return await this.#insert(client, there)
    }
    if (way === 'twice') {
      const { rows } = await client.query(`SELECT ${NAMES} FROM ${this.#table}`)
      await client.query(`UPDATE ${this.#table} SET ${WITHIN}`)
      await this.#update(client, FIELDS, rows)
    }
    for (const difference of differences) await this.#one(client, difference, choose)
  }

  /** One statement for all deletes, one for all inserts, and one for all updates of the same columns. */
  async #statements(client: PoolClient, differences: readonly Difference[]): Promise<void> {
    const updates = new Map<string, Document[]>()
    const inserts: Document[] = []
    for (const { before, after } of differences) {
      if (!after) continue
      const names = before ? changed(before, after).join() : ''
      if (before) updates.set(names, [...(updates.get(names) ?? []), after])
      else inserts.push(after)
    }
    for (const [names, documents] of updates) await this.#update(client, names.split(','), documents)
    const gone = differences.filter(({ after }) => !after).map(({ id }) => id)
    if (gone.length > 0) await this.#delete(client, gone)
    if (inserts.length > 0) await this.#insert(client, inserts)
  }

  async #insert(client: Pool | PoolClient, documents: readonly Document[]): Promise<void> {
    await client.query(
      `INSERT INTO ${this.#table} (${NAMES}) SELECT ${NAMES} FROM jsonb_populate_recordset(NULL::${this.#table}, $1)`,
      [JSON.stringify(documents)],
    )
  }

  async #update(
    client: Pool | PoolClient,
    columns: readonly string[],
    documents: readonly Document[],
  ): Promise<void> {
    const settings = columns.map((column) => `${column} = v.${column}`)
    await client.query(
      `UPDATE ${this.#table} t SET ${settings} FROM jsonb_populate_recordset(NULL::${this.#table}, $1) v WHERE t._id = v._id`,
      [JSON.stringify(documents)],
    )
  }

  async #delete(client: Pool | PoolClient, ids: readonly Json[]): Promise<void> {
    const texts = ids.map((id) => JSON.stringify(id))
    await client.query(`DELETE FROM ${this.#table} WHERE _id = ANY($1::jsonb[])`, [texts])
  }
}

function changed(before: Document, after: Document): string[] {
  return FIELDS.filter((name) => canonical(before[name] ?? null) !== canonical(after[name] ?? null))
}
