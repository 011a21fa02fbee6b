import type { Json } from '../../model/document.ts'
import { toJson } from '../../model/json.ts'
import { isPathName } from '../../model/path.ts'
import { isPlain } from '../../policy/query.ts'
import type { Query } from '../source.ts'
import { among, type Condition, text as storable } from './input.ts'
import { quote } from './name.ts'
import { join, parameter, type Sql, sql } from './sql.ts'
import { type Table, typeOf } from './table.ts'
import type { Type, TypeCatalog } from './type.ts'

const ANY: Condition = { text: 'true', values: [], exact: false }
const ALL: Condition = { text: 'true', values: [], exact: true }
const NONE: Condition = { text: 'false', values: [], exact: true }

const ORDERS: Readonly<Record<string, string>> = { $gt: '>', $gte: '>=', $lt: '<', $lte: '<=' }
const DAY_MS = 86_400_000
const DATE_LIKE = /^\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?Z?)?)?)?$/

/**
 * Converts a query to the condition of a WHERE clause, with all values as parameters. The condition finds all
 * rows whose documents match, and maybe more, so that the reader must match again.
 *
 * The database tests `$eq $ne $in $nin` of scalars, `$gt $gte $lt $lte` of numbers, texts, dates and times,
 * `$exists` of columns, null and missing fields, joined by `$and $or $nor $not`. All other conditions hold
 * for every row.
 */
export function toCondition(table: Table, query: Query, types: TypeCatalog): Condition {
  return new Filter(table, types).query(query)
}

class Filter {
  readonly #table: Table
  readonly #types: TypeCatalog

  constructor(table: Table, types: TypeCatalog) {
    this.#table = table
    this.#types = types
  }

  query(query: Query): Condition {
    return and(Object.entries(query).map(([field, condition]) => this.#entry(field, condition)))
  }

  #entry(field: string, condition: unknown): Condition {
    if (!field.startsWith('$')) return this.#field(field, condition)
    if (!Array.isArray(condition)) return ANY
    const parts = () => condition.map((part) => this.query(part as Query))
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
        return ORDERS[name] ? this.#order(field, name, value) : ANY
    }
  }

  #equal(field: string, value: unknown): Condition {
    return value instanceof RegExp ? ANY : this.#among(field, [value])
  }

  /** Tests that a column has one of some values. */
  #among(field: string, values: readonly unknown[]): Condition {
    if (values.some((value) => value instanceof RegExp)) return ANY
    const wanted = values.map((value) => (value === undefined ? null : toJson(value)))
    if (field === '_id' && this.#table.key.length > 1) return or(wanted.map((id) => this.#compoundId(id)))
    const column = this.#column(field)
    if (!column) return this.#table.options.document === undefined ? ANY : this.#inDocument(field, wanted)
    return or([
      ...(wanted.includes(null) ? [this.#isNull(column)] : []),
      ...this.#amongScalars(
        column,
        wanted.filter((value) => value !== null),
      ),
    ])
  }

  #amongScalars({ column, type, loose }: ColumnExpression, wanted: readonly Json[]): Condition[] {
    if (type.kind === 'jsonb' && wanted.length > 0) return [ANY]
    return among(loose ? `(${column} COLLATE pg_catalog."C")` : column, type, wanted) ?? [ANY]
  }

  /** Tests the `_id` of a key with several columns, which is an object of them. */
  #compoundId(id: Json): Condition {
    if (typeof id !== 'object' || id === null || Array.isArray(id)) return NONE
    const parts = this.#table.key.map((name) => this.#among(name, [id[name] ?? null]))
    return { ...and(parts), exact: false }
  }

  #order(field: string, name: string, given: unknown): Condition {
    const found = this.#column(field)
    const bound = given === undefined ? null : toJson(given)
    if (!found) return ANY
    const operator = ORDERS[name] ?? '='
    const { column, type } = found
    const compare = (left: string, cast: string, exact: boolean): Condition => ({
      ...sql`${left} ${operator} ${parameter(String(bound))}::pg_catalog.${cast}`,
      exact,
    })
    if (typeof bound === 'number') {
      const whole = Number.isSafeInteger(bound) ? 'int8' : 'numeric'
      if (type.kind === 'integer') return compare(column, whole, true)
      // Excludes integers past the safe range, which are texts, and NaN, which is null: neither compares to a
      // number.
      if (type.kind === 'bigint') return compare(column, whole, false)
      return type.kind === 'float' ? compare(column, 'float8', false) : ANY
    }
    if (typeof bound !== 'string') return ANY
    if (type.kind === 'date' || type.kind === 'timestamp' || type.kind === 'timestamptz')
      return orderDate(column, type, operator, bound)
    if (type.kind !== 'text' && type.kind !== 'enum') return ANY
    // Compares in the database only below the surrogates: up to there, UTF-8 and JavaScript have the same
    // order.
    const isPlain = this.#table.unicode && storable(bound) !== undefined && !/[\ud800-\uffff]/.test(bound)
    return isPlain ? compare(`${column}::pg_catalog.text COLLATE pg_catalog."C"`, 'text', true) : ANY
  }

  /**
   * Tests a field within the document's column: fields other than arrays, by strings and booleans exactly,
   * and by numbers except their last digits.
   */
  #inDocument(field: string, wanted: readonly Json[]): Condition {
    const name = this.#table.options.document ?? ''
    const type = typeOf(this.#table, name, this.#types)
    if (!isPathName(field) || storable(field) === undefined || type?.kind !== 'jsonb') return ANY
    const found = sql`${quote(name)} -> ${parameter(field)}::pg_catalog.text`
    const kind = sql`pg_catalog.jsonb_typeof(${found})`
    const parts = wanted.map((one): Sql => {
      if (typeof one === 'number') {
        const slack = Math.abs(one) * 1e-15 + Number.MIN_VALUE
        const number = (value: number) => sql`${parameter(String(value))}::pg_catalog.numeric`
        const within = sql`BETWEEN ${number(one - slack)} AND ${number(one + slack)}`
        return sql`CASE WHEN ${kind} = 'number' THEN (${found})::pg_catalog.numeric ${within} ELSE false END`
      }
      // Includes the number for a text: an integer past the safe range is a text in JSON.
      if (typeof one === 'string' && /^-?[1-9]\d{15,}$/.test(one))
        return sql`${found} IN (${asJson(JSON.stringify(one))}, ${asJson(one)})`
      if (typeof one === 'boolean' || storable(one) !== undefined)
        return sql`${found} = ${asJson(JSON.stringify(one))}`
      // Includes numbers that overflow, which are null in JSON.
      if (one === null) return sql`${found} IS NULL OR ${kind} IN ('null', 'number')`
      return typeof one === 'string' ? NONE : ANY
    })
    return { ...join([...parts, sql`${kind} = 'array'`], ' OR '), exact: false }
  }

  #isNull({ column, type: { kind } }: ColumnExpression): Condition {
    // Reads all rows: a json null is null too, and an array may contain null.
    if (kind === 'json' || kind === 'jsonb' || kind === 'array') return ANY
    const isFloat = kind === 'real' || kind === 'float'
    const infinite = isFloat ? ` OR ${column} = ANY('{NaN,Infinity,-Infinity}'::pg_catalog.float8[])` : ''
    // Avoids IS NULL, which also holds for a row of NULLs.
    return { text: `(${column} IS NOT DISTINCT FROM NULL${infinite})`, values: [], exact: true }
  }

  #isColumn(field: string): boolean {
    return this.#column(field) !== undefined || field === '_id'
  }

  #column(field: string): ColumnExpression | undefined {
    const { key, options, loose } = this.#table
    const name = field === '_id' && key.length === 1 ? key[0] : field
    if (name === undefined || (options.document !== undefined && field !== '_id')) return undefined
    // Skips names that no query can refer to: a dot leads into a value.
    if ((field === '_id' && key.length > 1) || name === '__proto__' || field.includes('.')) return undefined
    const type = typeOf(this.#table, name, this.#types)
    return type && { column: quote(name), type, loose: loose.has(name) }
  }
}

interface ColumnExpression {
  column: string
  type: Type
  loose: boolean
}

/**
 * Tests dates with a day more than asked for, because texts and times differ in order at the edges, and
 * includes dates whose texts have another length.
 */
function orderDate(column: string, { kind }: Type, operator: string, bound: string): Condition {
  if (!DATE_LIKE.test(bound)) return ANY
  const time = Date.parse(bound.includes('T') && !bound.endsWith('Z') ? `${bound}Z` : bound)
  if (Number.isNaN(time)) return ANY
  const wider = new Date(time + (operator.startsWith('>') ? -DAY_MS : DAY_MS))
  if (wider.getUTCFullYear() < 1 || wider.getUTCFullYear() > 9999) return ANY
  const near = sql`${column} ${operator} ${parameter(wider.toISOString())}::pg_catalog.${kind}`
  return { ...sql`(${near} OR ${column} >= '10000-01-01' OR ${column} < '0001-01-01')`, exact: false }
}

function and(parts: readonly Condition[]): Condition {
  if (parts.length === 0) return ALL
  return { ...join(parts, ' AND '), exact: parts.every(({ exact }) => exact) }
}

function or(parts: readonly Condition[]): Condition {
  if (parts.length === 0) return NONE
  return { ...join(parts, ' OR '), exact: parts.every(({ exact }) => exact) }
}

/** Negates an exact condition only: the opposite of a condition for too many rows would hold for too few. */
function not(part: Condition): Condition {
  return part.exact ? { ...sql`(${part} IS NOT TRUE)`, exact: true } : ANY
}

function asJson(text: string): Sql {
  return sql`${parameter(text)}::pg_catalog.jsonb`
}
