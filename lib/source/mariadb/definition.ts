import type { Parent } from './table.ts'

const NAME = '`((?:[^`]|``)+)`'
const TEXTS = /`(?:[^`]|``)+`|'(?:[^'\\]|\\[\s\S]|'')*'/g
const JSON_CHECK = new RegExp(`CHECK \\(json_valid\\(${NAME}\\)\\)`, 'g')
const NAMES = `(?:${NAME}(?:, )?)+`
const FOREIGN_KEY = new RegExp(
  `FOREIGN KEY \\(${NAMES}\\) REFERENCES (?:${NAME}\\.)?${NAME} \\((${NAMES})\\)([^\\n,]*)`,
  'g',
)
const CHANGES = 'CASCADE|SET NULL|SET DEFAULT'

/** Describes the facts about a table that an account with SELECT alone gets only from SHOW CREATE TABLE. */
export interface Definition {
  /** The columns of JSON: texts with `CHECK (json_valid(...))`. */
  readonly json: ReadonlySet<string>
  /** The tables that cascade into this table by a foreign key. */
  readonly parents: readonly Parent[]
}

/** Parses the statement of SHOW CREATE TABLE, written with the settings of `session.ts`. */
export function parseDefinition(statement: string, database: string): Definition {
  // Empties the quoted texts of comments and defaults, because they may look like constraints.
  const text = statement.replace(TEXTS, (part) => (part.startsWith('`') ? part : "''"))
  const json = new Set([...text.matchAll(JSON_CHECK)].map(([, name = '']) => unquote(name)))
  const parents = [...text.matchAll(FOREIGN_KEY)].flatMap((match): Parent[] => {
    const [, , outer, name = '', columns = '', , actions = ''] = match
    const onDelete = new RegExp(`ON DELETE (?:${CHANGES})`).test(actions)
    const isUpdated = new RegExp(`ON UPDATE (?:${CHANGES})`).test(actions)
    if (!onDelete && !isUpdated) return []
    const onUpdate = isUpdated
      ? [...columns.matchAll(new RegExp(NAME, 'g'))].map(([, part = '']) => unquote(part))
      : []
    return [
      { database: outer === undefined ? database : unquote(outer), name: unquote(name), onDelete, onUpdate },
    ]
  })
  return { json, parents }
}

function unquote(name: string): string {
  return name.replaceAll('``', '`')
}
