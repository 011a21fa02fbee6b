import type { Id, Json } from '../../model/document.ts'
import { isObject } from '../../model/json.ts'
import { inJson, isPlain } from '../../policy/query.ts'
import type { Query } from '../source.ts'
import { ALL, ANY, and, type Condition, NONE, not, or } from './condition.ts'
import { columnOf, type Fields } from './field.ts'
import { join, type Sql } from './sql.ts'

const ORDERS: Readonly<Record<string, string>> = { $gt: '>', $gte: '>=', $lt: '<', $lte: '<=' }

/** Tests the columns of a table in a database's own SQL. */
export interface ColumnTests {
  /** Tests that a column's JSON form is null. */
  isNull(column: string): Condition
  /**
   * Tests that a column has one of some values, by one condition for each way to compare them. Returns
   * `undefined` if the database can't find one of the values by its JSON form.
   */
  among(column: string, values: readonly Json[]): readonly Condition[] | undefined
  /** Tests that a column's value is before or after a bound. */
  compare(column: string, operator: string, bound: Json): Condition
  /** Tests that a field within the document's column has one of some values. */
  inDocument?(field: string, values: readonly Json[]): Condition
}

/**
 * Converts a query to the condition of a WHERE clause. The condition finds all rows whose documents match,
 * and maybe other rows, so the caller must match the documents again.
 *
 * The database tests `$eq $ne $in $nin` of scalars, `$gt $gte $lt $lte` of numbers, texts, dates and times,
 * `$exists` of columns, null and missing fields, joined by `$and $or $nor $not`. All other conditions hold
 * for every row.
 */
export class Filter {
  readonly #table: Fields
  readonly #tests: ColumnTests

  constructor(table: Fields, tests: ColumnTests) {
    this.#table = table
    this.#tests = tests
  }

  toCondition(query: Query): Condition {
    return and(Object.entries(query).map(([field, condition]) => this.#entry(field, condition)))
  }

  #entry(field: string, condition: unknown): Condition {
    if (!field.startsWith('$')) return this.#field(field, condition)
    if (!Array.isArray(condition)) return ANY
    const parts = () => condition.map((part) => this.toCondition(part as Query))
    if (field === '$and') return and(parts())
    if (field === '$or') return or(parts())
    return field === '$nor' ? not(or(parts())) : ANY
  }

  #field(field: string, condition: unknown): Condition {
    if (condition instanceof RegExp) return ANY
    const isQuery = isPlain(condition) && Object.keys(condition).some((name) => name.startsWith('$'))
    if (!isQuery) return this.#equal(field, condition)
    return and(Object.entries(condition).map(([name, value]) => this.#operator(field, name, value)))
  }

  #operator(field: string, name: string, value: unknown): Condition {
    switch (name) {
      case '$eq':
        return this.#equal(field, value)
      case '$ne':
        return not(this.#equal(field, value))
      case '$in':
        return Array.isArray(value) ? this.#among(field, value) : ANY
      case '$nin':
        return Array.isArray(value) ? not(this.#among(field, value)) : ANY
      case '$not':
        return isPlain(value) ? not(this.#field(field, value)) : ANY
      case '$exists':
        if (typeof value !== 'boolean' || !this.#isColumn(field)) return ANY
        return value ? ALL : NONE
      default:
        return ORDERS[name] ? this.#compare(field, ORDERS[name], value) : ANY
    }
  }

  #equal(field: string, value: unknown): Condition {
    return value instanceof RegExp ? ANY : this.#among(field, [value])
  }

  /** Tests that a column has one of some values. */
  #among(field: string, values: readonly unknown[]): Condition {
    if (values.some((value) => value instanceof RegExp)) return ANY
    const wanted = values.map((value) => inJson(value) as Json)
    const { key, options } = this.#table
    if (field === '_id' && key.length > 1) return or(wanted.map((id) => this.#compoundId(id)))
    const column = columnOf(this.#table, field)
    if (column === undefined)
      return (options.document === undefined ? undefined : this.#tests.inDocument?.(field, wanted)) ?? ANY
    const isNull = wanted.includes(null) ? [this.#tests.isNull(column)] : []
    const scalars = wanted.filter((value) => value !== null)
    return or([...isNull, ...(scalars.length > 0 ? (this.#tests.among(column, scalars) ?? [ANY]) : [])])
  }

  /** Tests the `_id` of a key with several columns, which is an object of them. */
  #compoundId(id: Json): Condition {
    if (!isObject(id)) return NONE
    const parts = this.#table.key.map((name) => this.#among(name, [id[name] ?? null]))
    return { ...and(parts), exact: false }
  }

  #compare(field: string, operator: string, given: unknown): Condition {
    const column = columnOf(this.#table, field)
    if (column === undefined) return ANY
    return this.#tests.compare(column, operator, inJson(given) as Json)
  }

  #isColumn(field: string): boolean {
    return columnOf(this.#table, field) !== undefined || field === '_id'
  }
}

/**
 * Builds a condition for the rows with these ids. Tests each column of the key by itself, so that the
 * condition also holds for a few other rows.
 */
export function toIdCondition(
  { key }: Pick<Fields, 'key'>,
  ids: readonly Id[],
  among: ColumnTests['among'],
): Sql {
  const parts = key.map((name): Sql => {
    const values = ids.map((id) => (key.length === 1 ? id : isObject(id) ? (id[name] ?? null) : null))
    const conditions = among(name, values)
    // Reads all rows for a type whose values can't be found by their JSON form.
    if (!conditions) return ANY
    return conditions.length === 0 ? NONE : join(conditions, ' OR ')
  })
  return join(parts, ' AND ')
}
