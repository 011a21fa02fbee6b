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

/** Renders SQL for a client: `$1`, `$2` and so on, and their values. */
export function render({ text, values }: Sql): { sql: string; values: unknown[] } {
  let count = 0
  return { sql: text.replaceAll('\0', () => `$${++count}`), values: [...values] }
}
