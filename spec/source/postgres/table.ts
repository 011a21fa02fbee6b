import type { Pool, PoolClient } from 'pg'
import type { Ask, SqlPool } from '../sql/pool.ts'

/** Makes a table for a `TableWriter`, or empties the one that is there. */
export async function createTable(pool: Pool, table: string): Promise<void> {
  await pool.query(`CREATE TABLE IF NOT EXISTS ${table} (_id jsonb PRIMARY KEY, doc jsonb NOT NULL)`)
  await pool.query(`ALTER TABLE ${table} REPLICA IDENTITY FULL`)
  await pool.query(`TRUNCATE ${table}`)
}

/** Returns a pool of pg's in the form that all SQL databases share. */
export function sqlPool(pool: Pool): SqlPool {
  const asking =
    (on: Pool | PoolClient): Ask =>
    async (statement, values = []) =>
      (await on.query(numbered(statement), [...values])).rows
  return {
    ask: asking(pool),
    lend: async (run) => {
      const client = await pool.connect()
      try {
        return await run(asking(client))
      } finally {
        client.release()
      }
    },
  }
}

/** Writes `$1`, `$2` for question marks, of which a statement has no others. */
function numbered(statement: string): string {
  let count = 0
  return statement.replace(/\?/g, () => `$${++count}`)
}
