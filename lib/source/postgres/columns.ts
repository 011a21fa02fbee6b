import type { Json } from '../../model/document.ts'
import type { ColumnForm, Columns } from '../source.ts'
import { hasScale, orderOf, PathColumns } from '../sql/columns.ts'
import { isDateForm, isTimeForm } from '../sql/iso.ts'
import { among } from './input.ts'
import { type Table, typeOf } from './table.ts'
import type { Kind, Type, TypeCatalog } from './type.ts'

const NUMBER = ['number'] as const
const TEXT = ['string'] as const

/** Describes the JSON of each kind of type: its form for messages, and its types by `typeof`. */
const FORMS: Readonly<Partial<Record<Kind, readonly [form: string, types: readonly string[]]>>> = {
  bigint: ['a whole number (beyond 2^53 a text)', ['number', 'string']],
  boolean: ['true or false', ['boolean']],
  bytes: ['a text in base64', TEXT],
  date: ['a text such as "2024-05-06"', TEXT],
  enum: ['a text', TEXT],
  float: ['a number', NUMBER],
  integer: ['a whole number', NUMBER],
  numeric: ['a text with all its digits, such as "9.90"', TEXT],
  other: ['a text', TEXT],
  padded: ['a text with its blanks at the end', TEXT],
  real: ['a number', NUMBER],
  text: ['a text', TEXT],
  timestamp: ['a text such as "2024-05-06T07:08:09.010"', TEXT],
  timestamptz: ['a text such as "2024-05-06T07:08:09.010Z"', TEXT],
  uuid: ['a text in lower case, such as "2f1b8e9c-0d3a-4c5b-9e7f-6a1d2c3b4e5f"', TEXT],
}

/** Describes the columns of a table, to check names and values that are compared with them. */
export function describeColumns(table: Table, types: TypeCatalog): Columns {
  return new PathColumns({
    ...table,
    formOf: (column) => formOf(typeOf(table, column, types), table.typeNames.get(column) ?? ''),
    omitted: (column) => (table.generated.has(column) ? 'a generated column' : undefined),
  })
}

function formOf(type: Type | undefined, name: string): ColumnForm | undefined {
  if (type?.kind === 'array') return arrayOf(formOf(type.element, ''), name)
  const [form, types] = (type && FORMS[type.kind]) ?? []
  if (!type || !form || !types) return undefined
  return {
    type: name,
    form,
    types,
    ...orderOf(type.kind),
    mayEqual: (value) => types.includes(typeof value) && isForm(type, name, value) && isInput(type, value),
  }
}

function arrayOf(element: ColumnForm | undefined, type: string): ColumnForm | undefined {
  return (
    element && {
      type,
      form: `an array, or of its elements ${element.form}`,
      types: ['object', ...element.types],
      mayEqual: (value) => Array.isArray(value) || element.mayEqual(value),
    }
  )
}

/** Checks that the database has a way to find the value. It has none for a value that the type can't have. */
function isInput(type: Type, value: Json): boolean {
  return among('', type, [value])?.length !== 0
}

/** Checks a text more closely than a query must: it also compares the texts of odd dates. */
function isForm({ kind }: Type, name: string, value: Json): boolean {
  if (typeof value !== 'string') return true
  switch (kind) {
    case 'date':
      return isDateForm(value)
    case 'timestamp':
      return isTimeForm(value, '')
    case 'timestamptz':
      return isTimeForm(value, 'Z')
    case 'numeric':
      return hasScale(value, name)
    case 'padded': {
      const length = /^character\((\d+)\)$/.exec(name)?.[1]
      return length === undefined || [...value].length === Number(length)
    }
    default:
      return true
  }
}
