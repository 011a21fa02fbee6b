import type { QueryOptions } from 'mysql2'
import type { Connection, RowDataPacket } from 'mysql2/promise'

/**
 * The variables that fix the texts of values, so that settings of the server, the account and the pool have
 * no effect. `net_write_timeout` lets a read of several batches wait long for its reader.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  character_set_results: 'utf8mb4',
  time_zone: "'+00:00'",
  sql_mode: "'ALLOW_INVALID_DATES'",
  sql_quote_show_create: '1',
  sql_select_limit: '18446744073709551615',
  max_sort_length: '1024',
  net_write_timeout: '3600',
}

const PREFIX = `SET STATEMENT ${Object.entries(SETTINGS)
  .map(([name, value]) => `${name} = ${value}`)
  .join(', ')} FOR `

/**
 * Returns a query with {@link SETTINGS}, which hold for this statement alone. Each row of the result is an
 * array of the bytes that the server sent, whatever the options of the pool are.
 */
export function rawQuery(statement: string): QueryOptions {
  return {
    sql: PREFIX + statement,
    rowsAsArray: true,
    nestTables: false,
    typeCast: (field) => field.buffer(),
  }
}

/** Runs a query, and returns its rows as texts. */
export async function ask(
  connection: Pick<Connection, 'query'>,
  statement: string,
): Promise<(string | null)[][]> {
  const [rows] = await connection.query<RowDataPacket[]>(rawQuery(statement))
  return rows.map((row) => [...(row as unknown as (Buffer | null)[])].map((cell) => cell?.toString() ?? null))
}

/** Writes a text as a literal in hexadecimal, which means the same under every setting. */
export function literal(text: string): string {
  return `_utf8mb4 X'${Buffer.from(text).toString('hex')}'`
}

/** Returns the number of a server error; `undefined` for another error. */
export function numberOf(error: unknown): number | undefined {
  const { errno } = (error ?? {}) as { errno?: unknown }
  return typeof errno === 'number' ? errno : undefined
}
