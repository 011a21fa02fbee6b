import type { Json } from '../../model/document.ts'
import { toJson } from '../../model/json.ts'
import type { Query } from '../source.ts'
import { comparison, text } from './input.ts'
import { quote } from './name.ts'
import { type Table, typeOf } from './table.ts'
import type { Type, TypeCatalog } from './type.ts'

/** A condition in SQL that is never NULL. It may hold for too many rows, never for too few; where it is exact, for the right ones alone. */
interface Condition {
  sql: string
  exact: boolean
}

const ANY: Condition = { sql: 'true', exact: false }
const ALL: Condition = { sql: 'true', exact: true }
const NONE: Condition = { sql: 'false', exact: true }

const ORDERS: Readonly<Record<string, string>> = { $gt: '>', $gte: '>=', $lt: '<', $lte: '<=' }
const DAY_MS = 86_400_000
const DATE_LIKE = /^\d{4}(?:-\d\d(?:-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?Z?)?)?)?$/

/**
 * A query as the condition of a WHERE clause, with all of its values as parameters. It finds all rows whose documents match, and maybe more:
 * what was read must be matched again.
 *
 * In the database are looked for: `$eq $ne $in $nin` of scalars, `$gt $gte $lt $lte` of numbers, texts, dates and times, `$exists` of columns,
 * null and missing fields, joined by `$and $or $nor $not`. All else holds for every row there.
 */
export function toCondition(
  table: Table,
  query: Query,
  types: TypeCatalog,
): { sql: string; values: unknown[] } {
  const filter = new Filter(table, types)
  return { sql: filter.query(query).sql, values: filter.values }
}

class Filter {
  readonly values: unknown[] = []
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

  /** Whether a column is one of some values. */
  #among(field: string, values: readonly unknown[]): Condition {
    if (values.some((value) => value instanceof RegExp)) return ANY
    const wanted = values.map((value) => (value === undefined ? null : toJson(value)))
    if (field === '_id' && this.#table.key.length > 1) return or(wanted.map((id) => this.#compoundId(id)))
    const column = this.#column(field)
    if (!column) return this.#table.options.document === undefined ? ANY : this.#inDocument(field, wanted)
    return or([
      ...(wanted.includes(null) ? [this.#isNull(column.sql, column.type)] : []),
      ...this.#amongScalars(
        column,
        wanted.filter((value) => value !== null),
      ),
    ])
  }

  #amongScalars({ sql, type, loose }: ColumnExpression, wanted: readonly Json[]): Condition[] {
    const groups = new Map<
      string,
      { exact: boolean; texts: string[]; condition: (texts: string) => string }
    >()
    for (const value of wanted) {
      const how = comparison(type, value)
      if (!how || type.kind === 'jsonb') return [ANY]
      const input = how.input(value)
      if (input === undefined) continue
      const left = how.left(loose ? `(${sql} COLLATE pg_catalog."C")` : sql)
      const group = groups.get(left + how.cast) ?? {
        exact: how.exact,
        texts: [],
        condition: (texts: string) => `COALESCE(${left} = ANY(${texts}::pg_catalog.${how.cast}[]), false)`,
      }
      group.texts.push(input)
      groups.set(left + how.cast, group)
    }
    return [...groups.values()].map(({ exact, texts, condition }) => ({
      sql: condition(this.#parameter(texts)),
      exact,
    }))
  }

  /** The `_id` of a key of several columns is an object of them. */
  #compoundId(id: Json): Condition {
    if (typeof id !== 'object' || id === null || Array.isArray(id)) return { sql: 'false', exact: true }
    const parts = this.#table.key.map((name) => this.#among(name, [id[name] ?? null]))
    return { sql: and(parts).sql, exact: false }
  }

  #order(field: string, name: string, value: unknown): Condition {
    const column = this.#column(field)
    const bound = value === undefined ? null : toJson(value)
    if (!column) return ANY
    const operator = ORDERS[name] ?? '='
    const { sql, type } = column
    const compare = (left: string, cast: string, right: string, exact: boolean): Condition => ({
      sql: `COALESCE(${left} ${operator} ${this.#parameter(right)}::pg_catalog.${cast}, false)`,
      exact,
    })
    if (typeof bound === 'number') {
      const whole = Number.isSafeInteger(bound) ? 'int8' : 'numeric'
      if (type.kind === 'integer') return compare(sql, whole, String(bound), true)
      // The integers past the safe ones are texts, and NaN is null: neither is in order to a number.
      if (type.kind === 'bigint') return compare(sql, whole, String(bound), false)
      return type.kind === 'float' ? compare(sql, 'float8', String(bound), false) : ANY
    }
    if (typeof bound !== 'string') return ANY
    if (type.kind === 'date' || type.kind === 'timestamp' || type.kind === 'timestamptz')
      return this.#orderDate(sql, type, operator, bound)
    // The order of UTF-8 is that of JavaScript's strings up to the surrogates.
    const plain = text(bound) !== undefined && !/[\ud800-\uffff]/.test(bound)
    if (type.kind !== 'text' && type.kind !== 'enum') return ANY
    return plain ? compare(`${sql}::pg_catalog.text COLLATE pg_catalog."C"`, 'text', bound, true) : ANY
  }

  /** Of dates a day more than was asked for, since texts are in another order than times at the edges, and those whose texts are of another length. */
  #orderDate(sql: string, { kind }: Type, operator: string, bound: string): Condition {
    if (!DATE_LIKE.test(bound)) return ANY
    const time = Date.parse(bound.includes('T') && !bound.endsWith('Z') ? `${bound}Z` : bound)
    if (Number.isNaN(time)) return ANY
    const wider = new Date(time + (operator.startsWith('>') ? -DAY_MS : DAY_MS))
    if (wider.getUTCFullYear() < 1 || wider.getUTCFullYear() > 9999) return ANY
    const limit = `${this.#parameter(wider.toISOString())}::pg_catalog.${kind}`
    const unusual = `${sql} >= '10000-01-01' OR ${sql} < '0001-01-01'`
    return { sql: `COALESCE(${sql} ${operator} ${limit} OR ${unusual}, false)`, exact: false }
  }

  /** Where the document is a column: its fields that are no arrays are compared there, by strings and booleans, and numbers up to their last digits. */
  #inDocument(field: string, wanted: readonly Json[]): Condition {
    const type = typeOf(this.#table, this.#table.options.document ?? '', this.#types)
    if (field.includes('.') || text(field) === undefined || type?.kind !== 'jsonb') return ANY
    const value = `${quote(this.#table.options.document ?? '')} -> ${this.#parameter(field)}::pg_catalog.text`
    const whole = `pg_catalog.jsonb_typeof(${value})`
    const parts = wanted.map((one): string => {
      if (typeof one === 'number') {
        const slack = Math.abs(one) * 1e-15 + Number.MIN_VALUE
        const from = this.#parameter(String(one - slack))
        const to = this.#parameter(String(one + slack))
        return `CASE WHEN ${whole} = 'number' THEN (${value})::pg_catalog.numeric BETWEEN ${from}::pg_catalog.numeric AND ${to}::pg_catalog.numeric ELSE false END`
      }
      if (typeof one === 'boolean' || text(one) !== undefined)
        return `${value} = ${this.#parameter(JSON.stringify(one))}::pg_catalog.jsonb`
      // null and what is missing, and strings that jsonb can't hold.
      return one === null
        ? `${value} IS NULL OR ${whole} IN ('null', 'number')`
        : typeof one === 'string'
          ? 'false'
          : 'true'
    })
    return { sql: `COALESCE(${[...parts, `${whole} = 'array'`].join(' OR ')}, false)`, exact: false }
  }

  #isNull(sql: string, { kind }: Type): Condition {
    if (kind === 'real' || kind === 'float') {
      const infinite = `${sql} = ANY('{NaN,Infinity,-Infinity}'::pg_catalog.float8[])`
      return { sql: `(${sql} IS NULL OR ${infinite})`, exact: true }
    }
    // A json null is null too, and an array may hold one.
    if (kind === 'json' || kind === 'jsonb' || kind === 'array') return ANY
    return { sql: `${sql} IS NULL`, exact: true }
  }

  #isColumn(field: string): boolean {
    return this.#column(field) !== undefined || field === '_id'
  }

  #column(field: string): ColumnExpression | undefined {
    const { key, options, loose } = this.#table
    const name = field === '_id' && key.length === 1 ? key[0] : field
    if (name === undefined || (options.document !== undefined && field !== '_id')) return undefined
    if ((field === '_id' && key.length > 1) || name === '__proto__') return undefined
    const type = typeOf(this.#table, name, this.#types)
    return type && { sql: quote(name), type, loose: loose.has(name) }
  }

  #parameter(value: unknown): string {
    return `$${this.values.push(value)}`
  }
}

interface ColumnExpression {
  sql: string
  type: Type
  loose: boolean
}

function and(parts: readonly Condition[]): Condition {
  if (parts.length === 0) return ALL
  return { sql: `(${parts.map(({ sql }) => sql).join(' AND ')})`, exact: parts.every(({ exact }) => exact) }
}

function or(parts: readonly Condition[]): Condition {
  if (parts.length === 0) return NONE
  return { sql: `(${parts.map(({ sql }) => sql).join(' OR ')})`, exact: parts.every(({ exact }) => exact) }
}

/** The opposite of a condition that holds for too many would hold for too few. */
function not(part: Condition): Condition {
  return part.exact ? { sql: `(NOT ${part.sql})`, exact: true } : ANY
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
