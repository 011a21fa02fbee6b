import type { Connection } from 'mysql2/promise'
import type { ParticleError } from '../../errors.ts'
import { invalidOption } from '../../model/unknown.ts'
import { describeIdColumn } from '../sql/id-column.ts'
import { isDecodable } from './charset.ts'
import { type Definition, parseDefinition } from './definition.ts'
import { quote, quoteTable, type TableName } from './name.ts'
import { ask, literal, numberOf } from './session.ts'
import type { Column, Parent, Table, TableReference } from './table.ts'
import { codesOf, isGeometry, kindOf } from './type.ts'

/** The errors of a missing table, ER_NO_SUCH_TABLE, and of a missing database, ER_BAD_DB_ERROR. */
const MISSING: ReadonlySet<number | undefined> = new Set([1146, 1049])
/** ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR and ER_COLUMNACCESS_DENIED_ERROR. */
const DENIED: ReadonlySet<number | undefined> = new Set([1044, 1142, 1143])

/** Explains why a kind of table has no changes to report, and names the remedy. */
const KINDS: Readonly<Record<string, string>> = {
  VIEW:
    'is a view, and MariaDB logs no changes of views: use its tables, with a criteria and a manifest for ' +
    'the visible part',
  'SYSTEM VIEW': 'is a view of the server, and MariaDB logs no changes of views: name a table',
  SEQUENCE: 'is a sequence, and no table of rows: name a table',
  'SYSTEM VERSIONED':
    'is WITH SYSTEM VERSIONING, so that the log has historical rows too: run ALTER TABLE ... DROP SYSTEM ' +
    'VERSIONING',
}

/** Describes a column as the catalog has it. */
interface Listed {
  name: string
  dataType: string
  columnType: string
  isGenerated: boolean
  charset: string | undefined
  collation: string | undefined
  size: number | undefined
}

/**
 * Loads a table from the catalog; `undefined` for a missing table. Within a transaction, no other session can
 * alter the table until the transaction ends.
 *
 * @throws ParticleError `INVALID_OPTION` if rows can't be documents, or the log lacks changes: a view, no
 *   primary key, another storage engine than InnoDB, and so on
 */
export async function loadTable(
  connection: Pick<Connection, 'query'>,
  reference: TableReference,
): Promise<Table | undefined> {
  const statement = await showTable(connection, reference, reference)
  if (statement === undefined) return undefined
  await refuseKind(connection, reference)
  const definition = parseDefinition(statement, reference.database)
  const listed = await listColumns(connection, reference)
  refuseColumns(reference, listed)
  const key = await listKey(connection, reference)
  const columns = columnsOf(listed, definition)
  refuseKey(reference, key, columns)
  return {
    ...reference,
    columns,
    logged: listed.map(({ name, dataType }) => ({ name, codes: codesOf(dataType) })),
    key,
    parents: await findParents(connection, reference, definition.parents),
  }
}

/**
 * Locks a table's definition until the transaction ends. Returns the statement that creates the table,
 * without the number of its next row, which each insert changes; `undefined` for a missing table.
 *
 * @throws ParticleError `INVALID_OPTION` if the account may not read the table
 */
export async function lockTable(
  connection: Pick<Connection, 'query'>,
  table: TableReference,
): Promise<string | undefined> {
  const statement = await showTable(connection, table, table)
  return statement?.replace(/ AUTO_INCREMENT=\d+/, '')
}

/**
 * Returns the statement that creates a table; `undefined` for a missing table. Runs a query without rows on
 * the table first. The query locks the definition until the transaction ends, and needs the right to read all
 * columns.
 *
 * @param child the collection's table: `table` itself, or a table whose foreign key leads to `table`
 */
async function showTable(
  connection: Pick<Connection, 'query'>,
  table: TableName,
  child: TableReference,
): Promise<string | undefined> {
  try {
    // Hides the names of the columns from mysql2, because it refuses a result with a column __proto__.
    await ask(connection, `SELECT 1 FROM (SELECT * FROM ${quoteTable(table)}) rows_of LIMIT 0`)
    const [row] = await ask(connection, `SHOW CREATE TABLE ${quoteTable(table)}`)
    return row?.[1] ?? ''
  } catch (error) {
    if (MISSING.has(numberOf(error))) return undefined
    if (!DENIED.has(numberOf(error))) throw error
    // Names a view first, because its definition needs the right SHOW VIEW, which would not help.
    const [kind] = await ask(
      connection,
      `SELECT table_type FROM information_schema.tables ${inCatalog(table)}`,
    )
    const remedy = KINDS[kind?.[0] ?? '']
    if (remedy !== undefined) throw unusable(table, remedy)
    const [row] = await ask(connection, 'SELECT CURRENT_USER()')
    const [user = '', host = '%'] = (row?.[0] ?? '').split(/@(?=[^@]*$)/)
    const grant = `run GRANT SELECT ON ${quoteTable(table)} TO ${quote(user)}@${quote(host)}`
    const whose =
      table === child
        ? 'is not fully readable'
        : `has a foreign key that changes its rows with those of ${quoteTable(table)}, which is not fully ` +
          'readable'
    throw unusable(child, `${whose} for this account: ${grant}`)
  }
}

async function refuseKind(connection: Pick<Connection, 'query'>, table: TableName): Promise<void> {
  const rows = await ask(
    connection,
    `SELECT table_name, table_type, engine, @@lower_case_table_names, table_schema
      FROM information_schema.tables ${inCatalog(table)}`,
  )
  const [, type, engine, lowers] = rows.find(([name]) => name === table.name) ?? rows[0] ?? []
  if (type === undefined)
    throw unusable(table, 'is temporary, so that only one session has its rows: create a permanent table')
  const lower = { database: table.database.toLowerCase(), name: table.name.toLowerCase() }
  if (lowers !== '0' && quoteTable(lower) !== quoteTable(table))
    throw unusable(
      table,
      `has another name, because this server turns names to lower case: name it ${quoteTable(lower)}`,
    )
  if (type !== 'BASE TABLE') throw unusable(table, KINDS[type ?? ''] ?? 'is no base table: name a base table')
  if (engine !== 'InnoDB')
    throw unusable(
      table,
      `has the storage engine ${engine}, and only reads of InnoDB are exact: run ALTER TABLE ` +
        `${quoteTable(table)} ENGINE = InnoDB`,
    )
}

async function listColumns(connection: Pick<Connection, 'query'>, table: TableName): Promise<Listed[]> {
  const rows = await ask(
    connection,
    `SELECT column_name, data_type, column_type, extra, character_set_name, collation_name,
      COALESCE(datetime_precision, character_maximum_length * 4, numeric_precision), table_name
      FROM information_schema.columns ${inCatalog(table)} ORDER BY ordinal_position`,
  )
  return rows
    .filter((row) => row[7] === table.name)
    .map(([name, dataType, columnType, extra, charset, collation, size]) => ({
      name: name ?? '',
      dataType: dataType?.toLowerCase() ?? '',
      columnType: columnType ?? '',
      isGenerated: /GENERATED/.test(extra ?? ''),
      charset: charset ?? undefined,
      collation: collation ?? undefined,
      size: /^year\(2\)/.test(columnType ?? '') ? 2 : typeof size === 'string' ? Number(size) : undefined,
    }))
}

async function listKey(connection: Pick<Connection, 'query'>, table: TableName): Promise<string[]> {
  const rows = await ask(
    connection,
    `SELECT column_name, table_name FROM information_schema.statistics ${inCatalog(table)}
      AND index_name = 'PRIMARY' ORDER BY seq_in_index`,
  )
  return rows.filter(([, name]) => name === table.name).map(([name]) => name ?? '')
}

/** Selects the rows of the catalog for a table, and for tables whose names differ only in case. */
function inCatalog({ database, name }: TableName): string {
  return `WHERE table_schema = ${literal(database)} AND table_name = ${literal(name)}`
}

function columnsOf(listed: readonly Listed[], { json }: Definition): Column[] {
  return listed.flatMap(({ name, dataType, columnType, isGenerated, charset, collation, size }): Column[] => {
    const kind = kindOf(dataType)
    if (kind === undefined || isGenerated || name === '__proto__') return []
    return [
      {
        name,
        type: {
          kind: kind === 'text' && json.has(name) ? 'json' : kind,
          name: columnType,
          ...(charset !== undefined && collation !== undefined ? { charset, collation } : {}),
          ...(size === undefined ? {} : { size }),
          ...(/zerofill/.test(columnType) ? { isPadded: true } : {}),
        },
      },
    ]
  })
}

/** Finds the parents of a table by its foreign keys, the parents of the parents, and so on. */
async function findParents(
  connection: Pick<Connection, 'query'>,
  table: TableReference,
  direct: readonly Parent[],
): Promise<Parent[]> {
  const found: Parent[] = []
  const seen = new Set([quoteTable(table)])
  for (const waiting = [...direct]; ; ) {
    const parent = waiting.shift()
    if (!parent) return found
    found.push(parent)
    if (seen.has(quoteTable(parent))) continue
    seen.add(quoteTable(parent))
    // Skips a missing parent, because it may be created later.
    const statement = await showTable(connection, parent, table)
    if (statement !== undefined) waiting.push(...parseDefinition(statement, parent.database).parents)
  }
}

/** Refuses columns whose values can't be decoded exactly from the log. */
function refuseColumns(table: TableName, listed: readonly Listed[]): void {
  for (const { name, dataType, columnType, charset, isGenerated } of listed) {
    const modify = `run ALTER TABLE ${quoteTable(table)}`
    if (kindOf(dataType) === undefined && !isGeometry(dataType))
      throw unusable(
        table,
        `has a column ${quote(name)} of a type that Particle does not know: ${columnType}`,
      )
    if (columnType.includes('mariadb-5.3'))
      throw unusable(
        table,
        `has a column ${quote(name)} in the format of MariaDB 5.3, which the log does not mark: set ` +
          `mysql56_temporal_format = ON, and ${modify} FORCE`,
      )
    if (charset !== undefined && !isGenerated && !isDecodable(charset))
      throw unusable(
        table,
        `has a column ${quote(name)} in the character set ${charset}, whose texts Particle can't decode ` +
          `exactly from the log: ${modify} CONVERT TO CHARACTER SET utf8mb4`,
      )
  }
}

/** Refuses a table whose rows can't be documents with an `_id`. */
function refuseKey(table: TableReference, key: readonly string[], columns: readonly Column[]): void {
  const { document } = table.options
  if (key.length === 0) throw unusable(table, 'has no primary key: add one, which becomes the _id')
  if (!key.every((name) => columns.some((column) => column.name === name)))
    throw unusable(table, 'has a column __proto__ in its primary key, which no document can have: rename it')
  const column = columns.find(({ name }) => name === document)
  if (document !== undefined && column?.type.kind !== 'json')
    throw unusable(table, `has no column ${JSON.stringify(document)} of the type JSON`)
  const wrongId = document === undefined ? describeIdColumn(quoteTable(table), key, columns) : undefined
  if (wrongId !== undefined) throw unusable(table, wrongId)
}

function unusable(table: TableName, reason: string): ParticleError {
  return invalidOption(`The table ${quoteTable(table)} ${reason}`)
}
