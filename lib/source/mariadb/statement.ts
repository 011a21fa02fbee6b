import type { TableName } from './name.ts'

/**
 * Names the kinds of statements in a log of rows:
 *
 * - `begin`, `commit`, `rollback`, `savepoint`, `rollback to`: control of a transaction
 * - `xa`: control of an XA transaction whose outcome other events of the log have
 * - `xa commit`, `xa rollback`: the outcome of a prepared transaction
 * - `upkeep`: changes no row and no table (rights, statistics)
 * - `definition`: may change tables, or all rows of them (`ALTER`, `DROP`, `TRUNCATE`)
 * - `data`: may change any row. A session with `binlog_format=STATEMENT` logs its writes as statements.
 */
export type StatementKind =
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'savepoint'
  | 'rollback to'
  | 'xa'
  | 'xa commit'
  | 'xa rollback'
  | 'upkeep'
  | 'definition'
  | 'data'

/** Lists the kinds by the first words of their statements. Longer lists of words come first. */
const KINDS: readonly (readonly [words: string, kind: StatementKind])[] = [
  ['BEGIN NOT', 'data'],
  ['BEGIN', 'begin'],
  ['START TRANSACTION', 'begin'],
  ['COMMIT', 'commit'],
  ['ROLLBACK TO', 'rollback to'],
  ['ROLLBACK WORK TO', 'rollback to'],
  ['ROLLBACK', 'rollback'],
  ['SAVEPOINT', 'savepoint'],
  ['RELEASE SAVEPOINT', 'savepoint'],
  ['XA COMMIT', 'xa commit'],
  ['XA ROLLBACK', 'xa rollback'],
  ['XA', 'xa'],
  // Drops temporary tables, whose changes a log of rows never has.
  ['DROP TEMPORARY', 'upkeep'],
  ['CREATE USER', 'upkeep'],
  ['CREATE ROLE', 'upkeep'],
  ['ALTER USER', 'upkeep'],
  ['DROP USER', 'upkeep'],
  ['DROP ROLE', 'upkeep'],
  ['RENAME USER', 'upkeep'],
  ['SET PASSWORD', 'upkeep'],
  ['SET DEFAULT', 'upkeep'],
  ['GRANT', 'upkeep'],
  ['REVOKE', 'upkeep'],
  ['FLUSH', 'upkeep'],
  ['ANALYZE TABLE', 'upkeep'],
  ['ANALYZE LOCAL TABLE', 'upkeep'],
  ['ANALYZE NO_WRITE_TO_BINLOG TABLE', 'upkeep'],
  ['OPTIMIZE', 'upkeep'],
  ['REPAIR', 'upkeep'],
  ['CREATE', 'definition'],
  ['ALTER', 'definition'],
  ['DROP', 'definition'],
  ['RENAME', 'definition'],
  ['TRUNCATE', 'definition'],
]

/** Matches a space, a comment, or the marks around a comment that the server runs. */
const SKIPPED = /^(?:\s+|\/\*M?!\d*|\*\/|\/\*[\s\S]*?\*\/|--(?:\s[^\n]*)?(?:\n|$)|#[^\n]*(?:\n|$)|\()/
const WORD = /^[A-Za-z_]+/

/** Matches the creation of a table. A log of rows has no SELECT there: its functions may change any row. */
const CREATION = /^CREATE (?:OR REPLACE )?(?:TEMPORARY )?TABLE /

/** Finds the kind of a statement by its first words. A statement with unknown words is `data`. */
export function kindOf(text: string): StatementKind {
  const words = `${firstWords(text)} `
  if (CREATION.test(words) && /\bSELECT\b/i.test(text)) return 'data'
  return KINDS.find(([start]) => words.startsWith(`${start} `))?.[1] ?? 'data'
}

/** Returns the first words of a statement in upper case, up to five, without comments. */
function firstWords(text: string): string {
  const words: string[] = []
  let rest = text
  while (words.length < 5) {
    rest = skip(rest)
    const [word] = WORD.exec(rest) ?? []
    if (word === undefined) break
    words.push(word.toUpperCase())
    rest = rest.slice(word.length)
  }
  return words.join(' ')
}

function skip(text: string): string {
  let rest = text
  for (let match = SKIPPED.exec(rest); match; match = SKIPPED.exec(rest)) rest = rest.slice(match[0].length)
  return rest
}

/**
 * Checks whether a statement may concern a table: whether it contains the table's name, or creates, alters or
 * drops the table's database. Returns `true` for every statement that concerns the table, and for some other
 * statements: a name in a comment counts.
 *
 * @param home the default database of the statement's session
 */
export function concerns(text: string, home: string, { database, name }: TableName): boolean {
  if (/^(?:CREATE OR|CREATE|ALTER|DROP) (?:REPLACE|DATABASE|SCHEMA)\b/.test(firstWords(text)))
    if (/\b(?:DATABASE|SCHEMA)\b/i.test(text) && names(text, database)) return true
  if (!names(text, name)) return false
  return home.toLowerCase() === database.toLowerCase() || names(text, database)
}

/** Matches the ends of a name that needs no quotes. */
const PLAIN = /^[\w$]+$/

/** Checks whether a statement contains a name, quoted or not, in any case of letters. */
function names(text: string, name: string): boolean {
  // Accepts any letter outside ASCII as the name, because the log's reader does not know the statement's
  // character set.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of ASCII
  if (/[^\x00-\x7f]/.test(name)) return /[^\x00-\x7f]/.test(text)
  const lower = text.toLowerCase()
  const wanted = name.toLowerCase()
  if (!PLAIN.test(wanted))
    return ['`', '"'].some((quote) => lower.includes(wanted.replaceAll(quote, quote + quote)))
  for (let index = lower.indexOf(wanted); index >= 0; index = lower.indexOf(wanted, index + 1)) {
    const before = lower[index - 1] ?? ' '
    const after = lower[index + wanted.length] ?? ' '
    if (!PLAIN.test(before) && !PLAIN.test(after)) return true
  }
  return false
}

const NAME = '(?:`((?:[^`]|``)+)`|([\\w$]+))'
const TRUNCATE = new RegExp(`^TRUNCATE\\s+(?:TABLE\\s+)?(?:${NAME}\\s*\\.\\s*)?${NAME}\\s*;?\\s*$`, 'i')

/**
 * Checks that a statement is a TRUNCATE of exactly this table. Returns `false` in case of doubt.
 *
 * @param home the default database of the statement's session
 */
export function truncates(text: string, home: string, table: TableName): boolean {
  const [match, quotedDatabase, plainDatabase, quotedName, plainName] = TRUNCATE.exec(skip(text)) ?? []
  if (match === undefined) return false
  const unquoted = (quoted: string | undefined) => quoted?.replaceAll('``', '`')
  const database = unquoted(quotedDatabase) ?? plainDatabase ?? home
  return database === table.database && (unquoted(quotedName) ?? plainName) === table.name
}
