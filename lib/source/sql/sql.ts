/**
 * Represents SQL in which a U+0000 marks the place of each value. No name and no text in SQL can contain that
 * character.
 */
export interface Sql {
  readonly text: string
  readonly values: readonly unknown[]
}

/** Builds SQL from a template, whose parts are plain texts or SQL with values. */
export function sql(texts: TemplateStringsArray, ...parts: (string | Sql)[]): Sql {
  const all = parts.map((part) => (typeof part === 'string' ? { text: part, values: [] } : part))
  return {
    text: texts.map((text, index) => text + (all[index]?.text ?? '')).join(''),
    values: all.flatMap(({ values }) => values),
  }
}

/** Returns SQL that is one value. */
export function parameter(value: unknown): Sql {
  return { text: '\0', values: [value] }
}

/** Joins parts by a text, within parentheses. */
export function join(parts: readonly Sql[], between: string): Sql {
  return {
    text: `(${parts.map(({ text }) => text).join(between)})`,
    values: parts.flatMap(({ values }) => values),
  }
}

/** Writes SQL as a text. Calls `write` for each value, and puts the result in the value's place. */
export function writeSql({ text, values }: Sql, write: (value: unknown) => string): string {
  let index = 0
  return text.replaceAll('\0', () => write(values[index++]))
}
