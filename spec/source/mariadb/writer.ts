import type { Pool, PoolConnection, RowDataPacket } from 'mysql2/promise'
import type { Document } from '../../../lib/model/document.ts'
import { canonical, toJson } from '../../../lib/model/json.ts'
import { matcher } from '../../../lib/policy/criteria.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import type { Writer } from '../../contract/source.contract.ts'

/** The type of a key that holds numbers and texts, since a column of the type JSON is too long for a key. */
export const JSON_KEY = 'VARCHAR(200) COLLATE utf8mb4_bin PRIMARY KEY CHECK (json_valid(_id))'

/** A table `(_id, doc)` of JSON that is written to as a MongoDB collection is. */
export class TableWriter implements Writer {
  readonly #pool: Pool
  readonly #table: string

  constructor(pool: Pool, table: string) {
    this.#pool = pool
    this.#table = table
  }

  static async create(pool: Pool, table: string): Promise<void> {
    await pool.query(`CREATE TABLE IF NOT EXISTS ${table} (_id ${JSON_KEY}, doc JSON NOT NULL)`)
    await pool.query(`TRUNCATE ${table}`)
  }

  async insertOne({ _id, ...document }: Document): Promise<void> {
    await this.#pool.query(`INSERT INTO ${this.#table} VALUES (?, ?)`, [
      JSON.stringify(_id),
      JSON.stringify(document),
    ])
  }

  async updateOne(query: Record<string, unknown>, update: Record<string, unknown>): Promise<void> {
    await this.#change(query, async (before) => {
      const scratch = memory().collection('scratch')
      await scratch.insertOne(before as never)
      await scratch.updateOne({ _id: before._id } as never, update as never)
      return (await scratch.findOne({ _id: before._id } as never)) as Document
    })
  }

  async replaceOne(query: Record<string, unknown>, replacement: Document): Promise<void> {
    await this.#change(query, async ({ _id }) => ({ ...replacement, ...(_id === undefined ? {} : { _id }) }))
  }

  async deleteOne(query: Record<string, unknown>): Promise<void> {
    const [found] = await this.#matching(this.#pool, query)
    await this.#delete(found ? [found] : [])
  }

  async deleteMany(query: Record<string, unknown>): Promise<void> {
    await this.#delete(await this.#matching(this.#pool, query))
  }

  find(): { toArray(): Promise<Document[]> } {
    return { toArray: () => this.#matching(this.#pool, {}) }
  }

  /** Empties the table: what else may be said of a table that is dropped, a table of the same name may follow. */
  async drop(): Promise<void> {
    await this.#pool.query(`TRUNCATE ${this.#table}`)
  }

  async #change(
    query: Record<string, unknown>,
    change: (before: Document) => Promise<Document>,
  ): Promise<void> {
    const connection = await this.#pool.getConnection()
    try {
      await connection.query('START TRANSACTION')
      const [before] = await this.#matching(connection, query)
      const after = before && (await change(before))
      if (before && after && canonical(toJson(before)) !== canonical(toJson(after))) {
        const { _id, ...document } = after
        await connection.query(`UPDATE ${this.#table} SET doc = ? WHERE _id = ?`, [
          JSON.stringify(document),
          JSON.stringify(_id),
        ])
      }
      await connection.query('COMMIT')
    } finally {
      connection.release()
    }
  }

  async #matching(on: Pool | PoolConnection, query: Record<string, unknown>): Promise<Document[]> {
    // As text: the driver parses a column of JSON by itself, unless it was told not to.
    const [rows] = await on.query<RowDataPacket[]>(
      `SELECT CONCAT(_id) AS id, CONCAT(doc) AS doc FROM ${this.#table}`,
    )
    return rows
      .map(({ id, doc }): Document => ({ _id: JSON.parse(id), ...JSON.parse(doc) }))
      .filter(matcher(query))
  }

  async #delete(documents: readonly Document[]): Promise<void> {
    const ids = documents.map(({ _id }) => JSON.stringify(_id))
    if (ids.length > 0) await this.#pool.query(`DELETE FROM ${this.#table} WHERE _id IN (?)`, [ids])
  }
}
