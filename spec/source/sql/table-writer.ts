import type { Document } from '../../../lib/model/document.ts'
import { canonical, toJson } from '../../../lib/model/json.ts'
import { matcher } from '../../../lib/policy/criteria.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import type { Writer } from '../../contract/source.contract.ts'
import { type Ask, deleteRows, type SqlPool, transaction } from './pool.ts'

/** Writes to a table `(_id, doc)` of JSON as to a MongoDB collection. */
export class TableWriter implements Writer {
  readonly #pool: SqlPool
  readonly #table: string

  constructor(pool: SqlPool, table: string) {
    this.#pool = pool
    this.#table = table
  }

  async insertOne({ _id, ...document }: Document): Promise<void> {
    const values = [JSON.stringify(_id), JSON.stringify(document)]
    await this.#pool.ask(`INSERT INTO ${this.#table} (_id, doc) VALUES (?, ?)`, values)
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
    const found = await this.#matching(this.#pool.ask, query)
    await this.#delete(found.slice(0, 1))
  }

  async deleteMany(query: Record<string, unknown>): Promise<void> {
    await this.#delete(await this.#matching(this.#pool.ask, query))
  }

  find(): { toArray(): Promise<Document[]> } {
    return { toArray: () => this.#matching(this.#pool.ask, {}) }
  }

  /** Empties the table, since PostgreSQL logs no drop of a table. */
  async drop(): Promise<void> {
    await this.#pool.ask(`TRUNCATE ${this.#table}`)
  }

  async #change(
    query: Record<string, unknown>,
    change: (before: Document) => Promise<Document>,
  ): Promise<void> {
    await transaction(this.#pool, async (ask) => {
      const [before] = await this.#matching(ask, query)
      const after = before && (await change(before))
      if (!before || !after || canonical(toJson(before)) === canonical(toJson(after))) return
      const { _id, ...document } = after
      const values = [JSON.stringify(document), JSON.stringify(_id)]
      await ask(`UPDATE ${this.#table} SET doc = ? WHERE _id = ?`, values)
    })
  }

  async #matching(ask: Ask, query: Record<string, unknown>): Promise<Document[]> {
    // Reads texts, since a driver parses a column of JSON by itself, unless it was told not to.
    const rows = await ask(`SELECT CONCAT(_id) AS id, CONCAT(doc) AS doc FROM ${this.#table}`)
    return rows
      .map(({ id, doc }): Document => ({ _id: JSON.parse(String(id)), ...JSON.parse(String(doc)) }))
      .filter(matcher(query))
  }

  async #delete(documents: readonly Document[]): Promise<void> {
    const ids = documents.map(({ _id }) => _id)
    await deleteRows(this.#pool.ask, this.#table, ids)
  }
}
