import fc from 'fast-check'

/** The type of each column of a table, and values at the edges. */
export type Columns = Readonly<Record<string, readonly [type: string, ...values: string[]]>>

/** Returns the definitions of columns, whose names `quote` quotes. */
export function definitions(columns: Columns, quote = (name: string) => name): string {
  return Object.entries(columns)
    .map(([name, [type]]) => `${quote(name)} ${type}`)
    .join(', ')
}

/** Returns rows in which each column has each of its values, and then its default; the keys count from 0. */
export function eachValue(columns: Columns): string[][] {
  const count = Math.max(...Object.values(columns).map((column) => column.length))
  return Array.from({ length: count }, (_, id) => [
    String(id),
    ...Object.values(columns).map(([, ...values]) => values[id] ?? 'DEFAULT'),
  ])
}

/** Returns rows of random values, of which some are defaults; the keys count from 0. */
export function randomRows(columns: Columns, count: number): string[][] {
  const length = Object.keys(columns).length
  const random = fc.sample(fc.array(fc.nat(), { minLength: length, maxLength: length }), count)
  return random.map((numbers, id) => [
    String(id),
    ...Object.values(columns).map(
      ([, ...values], index) => values[(numbers[index] ?? 0) % (values.length + 1)] ?? 'DEFAULT',
    ),
  ])
}
