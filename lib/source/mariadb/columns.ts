import type { Json } from '../../model/document.ts'
import type { ColumnForm, Columns } from '../source.ts'
import { hasScale, orderOf, PathColumns } from '../sql/columns.ts'
import { isDateForm, isTimeForm } from '../sql/iso.ts'
import { among } from './input.ts'
import { type Table, typeOf } from './table.ts'
import type { Kind, Type } from './type.ts'

const NUMBER = ['number'] as const
const TEXT = ['string'] as const

/** Describes the JSON of each kind of type: its form for messages, and its types by `typeof`. */
const FORMS: Readonly<Partial<Record<Kind, readonly [form: string, types: readonly string[]]>>> = {
  bigint: ['a whole number (beyond 2^53 a text)', ['number', 'string']],
  bit: ['a whole number (beyond 2^53 a text)', ['number', 'string']],
  bytes: ['a text in base64', TEXT],
  date: ['a text such as "2024-05-06"', TEXT],
  datetime: ['a text such as "2024-05-06T07:08:09.010"', TEXT],
  decimal: ['a text with all its digits, such as "9.90"', TEXT],
  double: ['a number', NUMBER],
  enum: ['a text', TEXT],
  float: ['a number', NUMBER],
  inet4: ['a text such as "10.0.0.1"', TEXT],
  inet6: ['a text such as "2001:db8::1"', TEXT],
  integer: ['a whole number', NUMBER],
  set: ['an array of texts, or one of its texts', ['object', 'string']],
  text: ['a text', TEXT],
  time: ['a text such as "07:08:09"', TEXT],
  timestamp: ['a text such as "2024-05-06T07:08:09.010Z"', TEXT],
  uuid: ['a text in lower case, such as "2f1b8e9c-0d3a-4c5b-9e7f-6a1d2c3b4e5f"', TEXT],
  year: ['a whole number', NUMBER],
}

/** Describes the columns of a table, to check names and values that are compared with them. */
export function describeColumns(table: Table): Columns {
  return new PathColumns({
    ...table,
    formOf: (column) => formOf(typeOf(table, column)),
    omitted: (column) =>
      table.logged.some(({ name }) => name === column)
        ? 'a generated column, or one of geometry,'
        : undefined,
  })
}

function formOf(type: Type | undefined): ColumnForm | undefined {
  const [form, types] = (type && FORMS[type.kind]) ?? []
  if (!type || !form || !types) return undefined
  // Leaves out the values of an ENUM, which may be many.
  const name = type.kind === 'enum' || type.kind === 'set' ? type.kind : (type.name ?? type.kind)
  return {
    type: name,
    form,
    types,
    ...orderOf(type.kind),
    mayEqual: (value) => {
      if (type.kind === 'set' && Array.isArray(value)) return true
      return types.includes(typeof value) && isForm(type, name, value) && isInput(type, value)
    },
  }
}

/** Checks that the database has a way to find the value. It has none for a value that the type can't have. */
function isInput(type: Type, value: Json): boolean {
  return among('', type, [value])?.length !== 0
}

/** Checks a text more closely than a query must: it also finds the texts of zero dates. */
function isForm({ kind }: Type, name: string, value: Json): boolean {
  if (typeof value !== 'string') return kind !== 'set'
  switch (kind) {
    case 'date':
      return isDateForm(value)
    case 'datetime':
      return isTimeForm(value, '')
    case 'timestamp':
      return isTimeForm(value, 'Z')
    case 'decimal':
      return hasScale(value, name)
    default:
      return true
  }
}
