/** Describes the columns of a table, to find the column of a document's field. */
export interface Fields {
  readonly columns: readonly { readonly name: string }[]
  /** The names of the primary key's columns, in the key's order. */
  readonly key: readonly string[]
  readonly options: { readonly document?: string }
}

/** Describes a column, and a path within the column's values. */
export interface ColumnPath {
  name: string
  within: readonly string[]
}

/** Returns the column that holds a field's value; `undefined` for part of a value, or without a column. */
export function columnOf({ columns, key, options }: Fields, field: string): string | undefined {
  const name = field === '_id' && key.length === 1 ? key[0] : field
  if (name === undefined || (options.document !== undefined && field !== '_id')) return undefined
  // Skips names that no query can refer to. A dot in a query leads into a value.
  if ((field === '_id' && key.length > 1) || name === '__proto__' || field.includes('.')) return undefined
  return columns.some((column) => column.name === name) ? name : undefined
}

/** Finds the columns with the values at a path of the documents. Returns none if all values are null. */
export function columnPathsOf({ columns, key, options }: Fields, path: string): ColumnPath[] {
  const [first = '', ...rest] = path.split('.')
  if (first !== '_id') {
    if (options.document !== undefined) return [{ name: options.document, within: [first, ...rest] }]
    return columns.some(({ name }) => name === first) ? [{ name: first, within: rest }] : []
  }
  if (key.length === 1) return key.map((name) => ({ name, within: rest }))
  // Puts numeric names first, as JavaScript's objects do, because objects are compared field by field.
  const names = Object.keys(Object.fromEntries(key.map((name) => [name, true])))
  const [second, ...within] = rest
  return names.filter((name) => second === undefined || name === second).map((name) => ({ name, within }))
}
