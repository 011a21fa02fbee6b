/** Runs a statement with the values of its question marks, and returns the rows that it finds. */
export type Ask = (statement: string, values?: readonly unknown[]) => Promise<Record<string, unknown>[]>

/** A pool of connections, in the form that the writers of all SQL databases share. */
export interface SqlPool {
  ask: Ask
  /** Lends one connection for several statements. */
  lend<T>(run: (ask: Ask) => Promise<T>): Promise<T>
}

/** Runs statements in one transaction, and takes them back when one of them fails. */
export async function transaction<T>(pool: SqlPool, run: (ask: Ask) => Promise<T>): Promise<T> {
  return await pool.lend(async (ask) => {
    await ask('BEGIN')
    try {
      const result = await run(ask)
      await ask('COMMIT')
      return result
    } catch (error) {
      await ask('ROLLBACK').catch(() => {})
      throw error
    }
  })
}

/** Deletes the rows of these keys, of which each is written as JSON. */
export async function deleteRows(ask: Ask, table: string, ids: readonly unknown[]): Promise<void> {
  if (ids.length === 0) return
  const texts = ids.map((id) => JSON.stringify(id))
  await ask(`DELETE FROM ${table} WHERE _id IN (${texts.map(() => '?')})`, texts)
}
