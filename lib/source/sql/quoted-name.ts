/** The quotation mark around a name: `"` in PostgreSQL (and in the standard), a backtick in MariaDB. */
export type QuoteMark = '"' | '`'

const PARTS: Readonly<Record<QuoteMark, RegExp>> = {
  '"': /(?:"((?:[^"\0]|"")+)"|([^".\0]+))(?:\.(?=.)|$)/suy,
  '`': /(?:`((?:[^`\0]|``)+)`|([^`.\0]+))(?:\.(?=.)|$)/suy,
}
const SPECIAL: Readonly<Record<QuoteMark, RegExp>> = { '"': /[".\0]/u, '`': /[`.\0]/u }

/**
 * Splits a table's name into one or two parts: `users`, `app.users`, or `"a.b"."c"` for parts with a dot or a
 * quotation mark. Keeps the case of letters. Returns `undefined` for a malformed name.
 */
export function splitName(text: unknown, mark: QuoteMark): [name: string, outer?: string] | undefined {
  if (typeof text !== 'string') return undefined
  const parts: string[] = []
  const part = PARTS[mark]
  part.lastIndex = 0
  for (let at = 0; at < text.length; at = part.lastIndex) {
    const match = part.exec(text)
    if (!match) return undefined
    parts.push(match[1]?.replaceAll(mark + mark, mark) ?? match[2] ?? '')
  }
  const [first, second] = parts
  if (first === undefined || parts.length > 2) return undefined
  return second === undefined ? [first] : [second, first]
}

/** Joins the parts of a table's name. Quotes only parts with special characters. */
export function joinName(parts: readonly string[], mark: QuoteMark): string {
  return parts.map((part) => (SPECIAL[mark].test(part) ? quoteName(part, mark) : part)).join('.')
}

/** Quotes a name for SQL. The name must not contain a NUL. */
export function quoteName(name: string, mark: QuoteMark): string {
  return mark + name.replaceAll(mark, mark + mark) + mark
}
