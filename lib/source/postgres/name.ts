import { invalidOption } from '../../model/unknown.ts'
import { joinName, quoteName, splitName } from '../sql/quoted-name.ts'

/** Names a table by schema and name. */
export interface TableName {
  readonly schema: string
  readonly name: string
}

/**
 * Parses `users` (of the schema `public`), `app.users`, or `"a.b"."c"` for names with a dot or a quote. Keeps
 * the case of letters.
 *
 * @throws ParticleError `INVALID_OPTION`
 */
export function parseTableName(text: string): TableName {
  const [name, schema = 'public'] = splitName(text, '"') ?? refuse(text)
  return { schema, name }
}

/** Formats a table's name in its only form: `users` of the schema `public`, else `app.users`. */
export function formatTableName({ schema, name }: TableName): string {
  return joinName(schema === 'public' ? [name] : [schema, name], '"')
}

/** Quotes a name for SQL. */
export function quote(name: string): string {
  return name.includes('\0') ? refuse(name) : quoteName(name, '"')
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
