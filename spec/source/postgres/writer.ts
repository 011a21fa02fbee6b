import type { Pool, PoolClient } from 'pg'
import type { Document } from '../../../lib/model/document.ts'
import { canonical, toJson } from '../../../lib/model/json.ts'
import { matcher } from '../../../lib/policy/criteria.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import type { Writer } from '../../contract/source.contract.ts'

/** A table `(_id jsonb, doc jsonb)` that is written to as a MongoDB collection is. */
export class TableWriter implements Writer {
  readonly #pool: Pool
  readonly #table: string

  constructor(pool: Pool, table: string) {
    this.#pool = pool
    this.#table = table
  }

  static async create(pool: Pool, table: string): Promise<void> {
    await pool.query(`CREATE TABLE IF NOT EXISTS ${table} (_id jsonb PRIMARY KEY, doc jsonb NOT NULL)`)
    await pool.query(`ALTER TABLE ${table} REPLICA IDENTITY FULL`)
    await pool.query(`TRUNCATE ${table}`)
  }

  async insertOne({ _id, ...document }: Document): Promise<void> {
    await this.#pool.query(`INSERT INTO ${this.#table} VALUES ($1, $2)`, [
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

  /** There is no telling of a table that is dropped but by looking: a truncation is what leaves nothing and is told. */
  async drop(): Promise<void> {
    await this.#pool.query(`TRUNCATE ${this.#table}`)
  }

  async #change(
    query: Record<string, unknown>,
    change: (before: Document) => Promise<Document>,
  ): Promise<void> {
    const client = await this.#pool.connect()
    try {
      await client.query('BEGIN')
      const [before] = await this.#matching(client, query)
      const after = before && (await change(before))
      if (before && after && canonical(toJson(before)) !== canonical(toJson(after))) {
        const { _id, ...document } = after
        await client.query(`UPDATE ${this.#table} SET doc = $2 WHERE _id = $1`, [
          JSON.stringify(_id),
          JSON.stringify(document),
        ])
      }
      await client.query('COMMIT')
    } finally {
      client.release()
    }
  }

  async #matching(client: Pool | PoolClient, query: Record<string, unknown>): Promise<Document[]> {
    const { rows } = await client.query(`SELECT _id, doc FROM ${this.#table}`)
    return rows.map(({ _id, doc }): Document => ({ _id, ...doc })).filter(matcher(query))
  }

  async #delete(documents: readonly Document[]): Promise<void> {
    const ids = documents.map(({ _id }) => JSON.stringify(_id))
    if (ids.length > 0)
      await this.#pool.query(`DELETE FROM ${this.#table} WHERE _id = ANY($1::jsonb[])`, [ids])
  }
}
