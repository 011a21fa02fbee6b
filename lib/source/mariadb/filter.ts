import type { Json } from '../../model/document.ts'
import type { Query } from '../source.ts'
import { ANY, type Condition } from '../sql/condition.ts'
import { type ColumnTests, Filter } from '../sql/filter.ts'
import { widerBound } from '../sql/iso.ts'
import { among, asBytes, asNumber, double, textBytes, timeLiteral } from './input.ts'
import { quote } from './name.ts'
import { type Table, typeOf } from './table.ts'
import type { Type } from './type.ts'

/** The relative and the absolute distance between a FLOAT and the shortest number for that FLOAT. */
const FLOAT_SLACK = 1e-6
const MIN_FLOAT_SLACK = 2e-45

/** Converts a query to the condition of a WHERE clause with literals: see {@link Filter}. */
export function toCondition(table: Table, query: Query): Condition {
  return new Filter(table, new Tests(table)).toCondition(query)
}

class Tests implements ColumnTests {
  readonly #table: Table

  constructor(table: Table) {
    this.#table = table
  }

  among(name: string, values: readonly Json[]): readonly Condition[] | undefined {
    return among(quote(name), this.#typeOf(name), values)
  }

  isNull(name: string): Condition {
    // Reads all rows, because the null of JSON counts as null too.
    if (this.#typeOf(name).kind === 'json') return ANY
    // Avoids IS NULL, because it also holds for a zero date.
    return exactly(`(${quote(name)} <=> NULL)`)
  }

  compare(name: string, operator: string, bound: Json): Condition {
    const type = this.#typeOf(name)
    if (typeof bound === 'number') return compareNumber(quote(name), type, operator, bound)
    return typeof bound === 'string' ? compareText(quote(name), type, operator, bound) : ANY
  }

  #typeOf(name: string): Type {
    return typeOf(this.#table, name) ?? { kind: 'json' }
  }
}

function compareNumber(column: string, { kind }: Type, operator: string, bound: number): Condition {
  const number = Number.isSafeInteger(bound) ? String(bound) : double(bound)
  switch (kind) {
    case 'integer':
      return exactly(`${column} ${operator} ${number}`)
    case 'year':
      return exactly(`${asNumber(column)} ${operator} ${number}`)
    // Needs a second match: integers past the safe range are texts, and don't compare to a number.
    case 'bigint':
      return { ...exactly(`${column} ${operator} ${number}`), exact: false }
    case 'bit':
      return { ...exactly(`${asNumber(column)} ${operator} ${number}`), exact: false }
    case 'double':
      return exactly(`${column} ${operator} ${double(bound)}`)
    case 'float': {
      const slack = Math.abs(bound) * FLOAT_SLACK + MIN_FLOAT_SLACK
      const wider = bound + (operator.startsWith('>') ? -slack : slack)
      return Number.isFinite(wider)
        ? { ...exactly(`${column} ${operator} ${double(wider)}`), exact: false }
        : ANY
    }
    default:
      return ANY
  }
}

function compareText(column: string, { kind }: Type, operator: string, bound: string): Condition {
  if (kind === 'date' || kind === 'datetime' || kind === 'timestamp') {
    const wider = widerBound(operator, bound)
    return wider === undefined
      ? ANY
      : { ...exactly(`${column} ${operator} ${timeLiteral(wider)}`), exact: false }
  }
  if (kind !== 'text' && kind !== 'enum') return ANY
  // Compares in the database only texts without surrogates and later characters: UTF-8 and JavaScript have
  // the same order for them.
  const bytes = /[\ud800-\uffff]/.test(bound) ? undefined : textBytes(bound)
  return bytes === undefined ? ANY : exactly(`${asBytes(column)} ${operator} ${bytes}`)
}

function exactly(text: string): Condition {
  return { text, values: [], exact: true }
}
