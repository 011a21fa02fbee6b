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

/** Describes what only the statement of SHOW CREATE TABLE tells to an account that may SELECT alone. */
export interface Definition {
  /** The columns of JSON: texts that are checked for it. */
  readonly json: ReadonlySet<string>
  /** The tables whose changed rows change rows of this table by a foreign key. */
  readonly parents: readonly Parent[]
}

/** Parses the statement of SHOW CREATE TABLE, written with the settings of `session.ts`. */
export function parseDefinition(statement: string, database: string): Definition {
  // Empties the texts of comments and defaults.
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
