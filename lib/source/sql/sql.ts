/**
 * Represents SQL in which a U+0000 marks each value. No name and no text in SQL can contain that character.
 */
export interface Sql {
  readonly text: string
  readonly values: readonly unknown[]
}

/** Joins SQL of parts: plain texts, and SQL with values. */
export function sql(texts: TemplateStringsArray, ...parts: (string | Sql)[]): Sql {
  const all = parts.map((part) => (typeof part === 'string' ? { text: part, values: [] } : part))
  return {
    text: texts.map((text, index) => text + (all[index]?.text ?? '')).join(''),
    values: all.flatMap(({ values }) => values),
  }
}

/** Binds a value. */
export function parameter(value: unknown): Sql {
  return { text: '\0', values: [value] }
}

/** Parts in parentheses. */
export function join(parts: readonly Sql[], between: string): Sql {
  return {
    text: `(${parts.map(({ text }) => text).join(between)})`,
    values: parts.flatMap(({ values }) => values),
  }
}

/** Writes SQL, with a text in the place of each value. */
export function writeSql({ text, values }: Sql, write: (value: unknown) => string): string {
  let index = 0
  return text.replaceAll('\0', () => write(values[index++]))
}
