import { join, type Sql } from './sql.ts'

/**
 * Represents a condition in SQL. The condition may hold for too many rows, never for too few. An exact
 * condition holds for the right rows only. NULL counts as false.
 */
export interface Condition extends Sql {
  exact: boolean
}

/** Holds for every row, where the database can't test what was asked. */
export const ANY: Condition = { text: 'true', values: [], exact: false }
/** Holds for every row, as asked. */
export const ALL: Condition = { text: 'true', values: [], exact: true }
/** Holds for no row, as asked. */
export const NONE: Condition = { text: 'false', values: [], exact: true }

export function and(parts: readonly Condition[]): Condition {
  if (parts.length === 0) return ALL
  return { ...join(parts, ' AND '), exact: parts.every(({ exact }) => exact) }
}

export function or(parts: readonly Condition[]): Condition {
  if (parts.length === 0) return NONE
  return { ...join(parts, ' OR '), exact: parts.every(({ exact }) => exact) }
}

/** Negates an exact condition only: the opposite of a condition for too many rows would hold for too few. */
export function not(part: Condition): Condition {
  return part.exact ? { text: `(${part.text} IS NOT TRUE)`, values: part.values, exact: true } : ANY
}
