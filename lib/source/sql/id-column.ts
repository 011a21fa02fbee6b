/**
 * Returns what is wrong with a table whose column `_id` is not its primary key, for the quoted name of the
 * table. A document has the key under that name, so that it has no place for the column.
 */
export function describeIdColumn(
  table: string,
  key: readonly string[],
  columns: readonly { name: string }[],
): string | undefined {
  const isKey = key.length === 1 && key[0] === '_id'
  if (isKey || !columns.some(({ name }) => name === '_id')) return undefined
  return (
    'has a column _id that is not its primary key, though a document has the key under that name: run ' +
    `ALTER TABLE ${table} RENAME COLUMN _id TO another name`
  )
}
