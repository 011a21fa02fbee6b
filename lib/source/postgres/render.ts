import { type Sql, writeSql } from '../sql/sql.ts'

/** Renders SQL for a client: `$1`, `$2` and so on, and their values. */
export function render(part: Sql): { sql: string; values: unknown[] } {
  let count = 0
  return { sql: writeSql(part, () => `$${++count}`), values: [...part.values] }
}
