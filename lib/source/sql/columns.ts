import type { Json } from '../../model/document.ts'
import { isObject } from '../../model/json.ts'
import { nearest } from '../../model/nearest.ts'
import type { ColumnForm, Columns, NoColumn } from '../source.ts'
import { columnPathsOf, type Fields } from './field.ts'
import { isDateBound } from './iso.ts'

/** The kinds of types whose values are ordered as dates. */
const TIMES: ReadonlySet<string> = new Set(['date', 'datetime', 'timestamp', 'timestamptz'])
/** The kinds of types whose values are texts in JSON, so that no digit is lost. */
const DECIMALS: ReadonlySet<string> = new Set(['decimal', 'numeric'])
const DECIMAL_DISORDER =
  'is ordered as text, so that "9.90" comes after "77.00": store an integer, such as cents, or a double'

/** Limits the columns that a message lists. */
const MAX_LISTED = 20

/** Describes the columns of a table in a database's own types. */
export interface TableColumns extends Fields {
  /** The table's name, for messages. */
  readonly collection: string
  /** Returns the form of a column's values; `undefined` if they may be any JSON. */
  formOf(column: string): ColumnForm | undefined
  /** Explains why a column is no field; `undefined` for a missing column. */
  omitted(column: string): string | undefined
}

/** Finds the columns of a table by the paths of its documents. */
export class PathColumns implements Columns {
  readonly #table: TableColumns

  constructor(table: TableColumns) {
    this.#table = table
  }

  find(path: string): ColumnForm | NoColumn | undefined {
    const { key, options, collection } = this.#table
    const [first = ''] = path.split('.')
    if (options.document !== undefined && first !== '_id') return undefined
    if (path === '_id' && key.length > 1) return objectOf(key)
    const [column] = columnPathsOf(this.#table, path)
    if (!column && first === '_id') return { absence: `is no column of the primary key (${key.join(', ')})` }
    if (!column) return this.#absenceOf(first)
    const form = this.#table.formOf(column.name)
    if (column.within.length === 0 || !form) return form
    if (form.types.includes('object')) return undefined
    const place = `the column ${column.name} of the table ${collection}`
    return { absence: `leads into ${place}, whose type ${form.type} has no fields` }
  }

  #absenceOf(name: string): NoColumn {
    const { collection, columns } = this.#table
    const omitted = this.#table.omitted(name)
    if (omitted !== undefined)
      return { absence: `is ${omitted} of the table ${collection}, and so no field: name another column` }
    const names = columns.map((column) => column.name)
    const near = nearest(name, names)
    const listed = names.slice(0, MAX_LISTED).join(', ') + (names.length > MAX_LISTED ? ', ...' : '')
    const mend = near === undefined ? `its columns are ${listed}` : `"${near}" was perhaps meant`
    return { absence: `is no column of the table ${collection}: ${mend}`, near }
  }
}

/** Describes the `_id` of a key with several columns. */
function objectOf(key: readonly string[]): ColumnForm {
  return {
    type: `primary key (${key.join(', ')})`,
    form: `an object of ${key.join(' and ')}`,
    types: ['object'],
    mayEqual: isObject,
  }
}

/** Checks that a decimal text has as many digits after the point as the type has, such as `numeric(10,2)`. */
export function hasScale(value: Json, type: string): boolean {
  const scale = /^(?:numeric|decimal)\(\d+,(\d+)\)/.exec(type)?.[1]
  const digits = /^-?\d+(?:\.(\d+))?$/.exec(String(value))
  return scale === undefined || !digits || (digits[1] ?? '').length === Number(scale)
}

/** Describes the order of the values of a kind of type. */
export function orderOf(kind: string): Pick<ColumnForm, 'mayOrder' | 'disorder'> {
  return {
    mayOrder: TIMES.has(kind) ? isDateBound : undefined,
    disorder: DECIMALS.has(kind) ? DECIMAL_DISORDER : undefined,
  }
}
