import { join, type Sql } from './sql.ts'

/**
 * Represents a condition in SQL. A condition holds for all rows that the query matches, and maybe for others.
 * An exact condition holds for no other rows. NULL counts as false.
 */
export interface Condition extends Sql {
  exact: boolean
}

/** Holds for every row, in place of a condition that the database can't test. */
export const ANY: Condition = { text: 'true', values: [], exact: false }
/** Holds for every row, because every row matches. */
export const ALL: Condition = { text: 'true', values: [], exact: true }
/** Holds for no row, because no row matches. */
export const NONE: Condition = { text: 'false', values: [], exact: true }

export function and(parts: readonly Condition[]): Condition {
  if (parts.length === 0) return ALL
  return { ...join(parts, ' AND '), exact: parts.every(({ exact }) => exact) }
}

export function or(parts: readonly Condition[]): Condition {
  if (parts.length === 0) return NONE
  return { ...join(parts, ' OR '), exact: parts.every(({ exact }) => exact) }
}

/** Negates an exact condition. Returns ANY for another one, whose negation would leave out matching rows. */
export function not(part: Condition): Condition {
  return part.exact ? { text: `(${part.text} IS NOT TRUE)`, values: part.values, exact: true } : ANY
}
