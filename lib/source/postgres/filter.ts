import type { Json } from '../../model/document.ts'
import { isPathName } from '../../model/path.ts'
import type { Query } from '../source.ts'
import { ANY, type Condition, NONE } from '../sql/condition.ts'
import { type ColumnTests, Filter } from '../sql/filter.ts'
import { widerBound } from '../sql/iso.ts'
import { join, parameter, type Sql, sql } from '../sql/sql.ts'
import { among, isFar, text as storable } from './input.ts'
import { quote } from './name.ts'
import { type Table, typeOf } from './table.ts'
import type { Type, TypeCatalog } from './type.ts'

/**
 * Converts a query to the condition of a WHERE clause, with all values as parameters: see {@link Filter}.
 */
export function toCondition(table: Table, query: Query, types: TypeCatalog): Condition {
  return new Filter(table, new Tests(table, types)).toCondition(query)
}

class Tests implements ColumnTests {
  readonly #table: Table
  readonly #types: TypeCatalog

  constructor(table: Table, types: TypeCatalog) {
    this.#table = table
    this.#types = types
  }

  among(name: string, values: readonly Json[]): readonly Condition[] | undefined {
    const { column, type, loose } = this.#column(name)
    if (type.kind === 'jsonb') return undefined
    return among(loose ? `(${column} COLLATE pg_catalog."C")` : column, type, values)
  }

  compare(name: string, operator: string, bound: Json): Condition {
    const { column, type } = this.#column(name)
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
  inDocument(field: string, wanted: readonly Json[]): Condition {
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

  isNull(name: string): Condition {
    const {
      column,
      type: { kind },
    } = this.#column(name)
    // Reads all rows: a json null is null too, and an array may contain null.
    if (kind === 'json' || kind === 'jsonb' || kind === 'array') return ANY
    const isFloat = kind === 'real' || kind === 'float'
    const infinite = isFloat ? ` OR ${column} = ANY('{NaN,Infinity,-Infinity}'::pg_catalog.float8[])` : ''
    // Avoids IS NULL, which also holds for a row of NULLs.
    return { text: `(${column} IS NOT DISTINCT FROM NULL${infinite})`, values: [], exact: true }
  }

  #column(name: string): ColumnExpression {
    const type = typeOf(this.#table, name, this.#types) ?? { kind: 'other' }
    return { column: quote(name), type, loose: this.#table.loose.has(name) }
  }
}

interface ColumnExpression {
  column: string
  type: Type
  loose: boolean
}

/** Tests dates with some days more than asked for, and includes dates whose texts have another length. */
function orderDate(column: string, { kind }: Type, operator: string, bound: string): Condition {
  const wider = widerBound(operator, bound)
  if (wider === undefined) return ANY
  const near = sql`${column} ${operator} ${parameter(wider)}::pg_catalog.${kind}`
  return { ...sql`(${near} OR ${isFar(column)})`, exact: false }
}

function asJson(text: string): Sql {
  return sql`${parameter(text)}::pg_catalog.jsonb`
}
