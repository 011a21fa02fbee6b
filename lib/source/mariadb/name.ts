import { invalidOption } from '../../model/unknown.ts'
import { joinName, quoteName, splitName } from '../sql/quoted-name.ts'

/** Names a table by database and name. */
export interface TableName {
  readonly database: string
  readonly name: string
}

/** The longest name that MariaDB allows, in characters. */
const MAX_LENGTH = 64

/**
 * Parses `users` (of the pool's database), `app.users`, or `` `a.b`.`c` `` for names with a dot or a
 * backtick. Keeps the case of letters.
 *
 * @param home the database of the pool's connections, if they have one
 * @throws ParticleError `INVALID_OPTION`
 */
export function parseTableName(text: string, home: string | undefined): TableName {
  const [name, database = home] = splitName(text, '`') ?? refuse(text)
  for (const part of [name, database ?? '']) {
    if (/\s$/.test(part)) throw invalidOption(`The name ${JSON.stringify(part)} ends with a space: remove it`)
    if ([...part].length > MAX_LENGTH)
      throw invalidOption(`The name ${JSON.stringify(part)} has more than ${MAX_LENGTH} characters`)
  }
  if (database === undefined)
    throw invalidOption(
      `The table ${JSON.stringify(text)} needs its database: give the pool the option 'database', or name ` +
        `the table as 'database.${text}'`,
    )
  return { database, name }
}

/** Formats a table's name in its canonical form: `users` in the pool's database, `app.users` in others. */
export function formatTableName({ database, name }: TableName, home: string | undefined): string {
  return joinName(database === home ? [name] : [database, name], '`')
}

/** Quotes a name for SQL. */
export function quote(name: string): string {
  return name.includes('\0') ? refuse(name) : quoteName(name, '`')
}

/** Quotes a table's name for SQL. */
export function quoteTable({ database, name }: TableName): string {
  return `${quote(database)}.${quote(name)}`
}

function refuse(text: unknown): never {
  const given = JSON.stringify(text)
  throw invalidOption(`A table is named as 'users', 'app.users' or '\`a.b\`.\`users\`', but not as ${given}`)
}
