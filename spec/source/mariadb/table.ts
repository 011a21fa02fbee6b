import type { Pool, PoolConnection, RowDataPacket } from 'mysql2/promise'
import type { Ask, SqlPool } from '../sql/pool.ts'

/** The type of a key that holds numbers and texts, since a column of the type JSON is too long for a key. */
export const JSON_KEY = 'VARCHAR(200) COLLATE utf8mb4_bin PRIMARY KEY CHECK (json_valid(_id))'

/** Makes a table for a `TableWriter`, or empties the one that is there. */
export async function createTable(pool: Pool, table: string): Promise<void> {
  await pool.query(`CREATE TABLE IF NOT EXISTS ${table} (_id ${JSON_KEY}, doc JSON NOT NULL)`)
  await pool.query(`TRUNCATE ${table}`)
}

/** Returns a pool of mysql2's in the form that all SQL databases share. */
export function sqlPool(pool: Pool): SqlPool {
  const asking =
    (on: Pool | PoolConnection): Ask =>
    async (statement, values = []) =>
      (await on.query<RowDataPacket[]>(statement, [...values]))[0]
  return {
    ask: asking(pool),
    lend: async (run) => {
      const connection = await pool.getConnection()
      try {
        return await run(asking(connection))
      } finally {
        connection.release()
      }
    },
  }
}
