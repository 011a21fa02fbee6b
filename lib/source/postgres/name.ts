import { invalidOption } from '../../model/unknown.ts'

/** Names a table by schema and name. */
export interface TableName {
  readonly schema: string
  readonly name: string
}

const PART = /(?:"((?:[^"\0]|"")+)"|([^".\0]+))(?:\.(?=.)|$)/suy
const PLAIN = /^[^".\0]+$/su

/**
 * Parses `users` (of the schema `public`), `app.users`, or `"a.b"."c"` for names with a dot or a quote. Keeps
 * the case of letters.
 *
 * @throws ParticleError `INVALID_OPTION`
 */
export function parseTableName(text: string): TableName {
  const parts: string[] = []
  PART.lastIndex = 0
  for (let at = 0; typeof text === 'string' && at < text.length; at = PART.lastIndex) {
    const match = PART.exec(text)
    if (!match) return refuse(text)
    parts.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '')
  }
  const [first, second] = parts
  if (first === undefined || parts.length > 2) return refuse(text)
  return second === undefined ? { schema: 'public', name: first } : { schema: first, name: second }
}

/** Formats a table's name in its only form: `users` of the schema `public`, else `app.users`. */
export function formatTableName({ schema, name }: TableName): string {
  const part = (text: string) => (PLAIN.test(text) ? text : quote(text))
  return schema === 'public' ? part(name) : `${part(schema)}.${part(name)}`
}

/** Quotes a name for SQL. */
export function quote(name: string): string {
  if (name.includes('\0')) return refuse(name)
  return `"${name.replaceAll('"', '""')}"`
}

/** Quotes a table's name for SQL. */
export function quoteTable({ schema, name }: TableName): string {
  return `${quote(schema)}.${quote(name)}`
}

function refuse(text: unknown): never {
  throw invalidOption(
    `A table is named as 'users', 'schema.users' or '"with.dot"."users"', but not as ${JSON.stringify(text)}`,
  )
}
