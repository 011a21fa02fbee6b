import { expect } from 'chai'
import fc from 'fast-check'
import type { Document } from '../../../lib/model/document.ts'
import { matcher } from '../../../lib/policy/criteria.ts'
import { describeColumns } from '../../../lib/source/mariadb/columns.ts'
import { toCondition } from '../../../lib/source/mariadb/filter.ts'
import { promised } from '../../../lib/source/mariadb/pool.ts'
import { lookupDocuments } from '../../../lib/source/mariadb/read.ts'
import { ask } from '../../../lib/source/mariadb/session.ts'
import type { EachBatch, Query } from '../../../lib/source/source.ts'
import { expectSameAsSingle, similarQueries } from '../../support/joint.ts'
import { mariadbOrSkip } from '../../support/mariadb.ts'
import { expectBigInts } from '../sql/bigints.ts'
import { type Columns, definitions, eachValue } from '../sql/columns.ts'
import { wronglyDenied } from '../sql/denied.ts'
import { idsOf } from '../sql/documents.ts'
import { queriesOf } from '../sql/queries.ts'
import { RowDatabase, utf8 } from './rows.ts'

const TEXTS = [
  '',
  'a',
  'A',
  'a ',
  'é',
  'e',
  '\uffee',
  '😀',
  '2024-05-06',
  'null',
  '1',
  'ß',
  'ss',
  'a\0',
  '\t',
]
const texts = TEXTS.map(utf8)
const STAMPS = [
  ...["'2024-05-06 07:08:09.010'", "'2024-05-06 07:08:09.010001'", "'2024-05-06'", "'0000-00-00'"],
  ...["'2024-05-05 23:59:59.999999'", "'2024-05-07'"],
]
const UUID = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'

/** Columns, and values of them that lie at the edges. */
const COLUMNS: Columns = {
  i: ['INT', '0', '1', '-5', '2147483647'],
  un: ['INT UNSIGNED', '0', '1', '4294967295'],
  big: ['BIGINT', '1', '9007199254740991', '9007199254740992', '9007199254740993', '-9223372036854775808'],
  ubig: ['BIGINT UNSIGNED ZEROFILL', '1', '9007199254740992', '18446744073709551615'],
  f: ['FLOAT', '0', '0.1', '1.5', '1e38', '-0e0', '0.3'],
  fx: ['FLOAT(6,2)', '0.1', '1.5'],
  db: ['DOUBLE', '0', '1.5', '1e300', '-0e0', '0.1'],
  num: ['DECIMAL(20,2)', '1', '10', '-0.5'],
  nz: ['DECIMAL(6,1) ZEROFILL', '1', '10'],
  n0: ['DECIMAL(6)', '1', '10'],
  bit: ['BIT(3)', "b'1'", "b'101'"],
  long: ['BIT(64)', "b'1'", `b'${'1'.repeat(64)}'`],
  y: ['YEAR', '2024', "'0000'", '1901'],
  y2: ['YEAR(2)', '24', '1'],
  t: ['VARCHAR(20)', ...texts],
  bin: ['VARCHAR(20) COLLATE utf8mb4_bin', ...texts],
  de: ['VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german2_ci', ...texts],
  wide: ['VARCHAR(20) CHARACTER SET utf16', ...texts],
  old: ['VARCHAR(20) CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci', ...texts],
  long_text: ['TEXT', ...texts],
  ch: ['CHAR(20)', ...texts],
  e: ["ENUM('happy', 'sad', 'a')", "'happy'", "'sad'", '0', "'a'"],
  s: ["SET('a', 'b')", "'a'", "'a,b'", "''"],
  d: ['DATE', "'2024-05-06'", "'0000-00-00'", "'9999-12-31'", "'2024-00-10'", "'0000-05-06'", "'2024-02-31'"],
  dr: ["DATE NOT NULL DEFAULT '2000-01-01'", "'2024-05-06'", "'0000-00-00'"],
  dt: ['DATETIME(6)', ...STAMPS, "'9999-12-31 23:59:59'", "'2024-02-31'"],
  ts: ['TIMESTAMP(6) NULL', ...STAMPS],
  ts0: ['TIMESTAMP NULL', ...STAMPS],
  tm: ['TIME(1)', "'07:08:09'", "'-00:01:00'", "'100:00:00'"],
  by: ['VARBINARY(4)', "X'00ff'", "''", "X'61'"],
  bf: ['BINARY(2)', "X'00ff'", "''", "X'61'"],
  u: ['UUID', `'${UUID}'`, "'00000000-0000-0000-0000-000000000000'"],
  i4: ['INET4', "'10.0.0.1'", "'0.0.0.0'"],
  i6: ['INET6', "'::1'", "'2001:db8::1'", "'::ffff:10.0.0.1'"],
  j: ['JSON', "'null'", "'1'", '\'"a"\'', '\'[1,"a"]\'', '\'{"k": 1}\'', '\'{"k": [1, null]}\''],
  // A column that no path can name, and one that a careless quoting would let out.
  'x`y.z': ['VARCHAR(20)', "'a'"],
}

const VALUES: unknown[] = [
  ...[null, true, false, 0, 1, 1.5, -5, 0.1, 0.3, 1e300, 1e38, 2147483647, 2147483648, 4294967295, 24, 2024],
  ...[9007199254740991, 9007199254740992, -0.5, 5, 10, 10.5, 1901, -1, 0.10000000149011612],
  ...TEXTS,
  ...['\ud800', '1.0', '1.00', '10.0', '10.00', '01.0', '-0.50', '9007199254740993', '9007199254740992'],
  ...[
    '-9223372036854775808',
    '18446744073709551615',
    '99999999999999999999',
    '9'.repeat(70),
    'happy',
    'HAPPY',
  ],
  ...[
    'AP8=',
    'YQ==',
    'YR==',
    'YQA=',
    UUID,
    UUID.toUpperCase(),
    '10.0.0.1',
    '::1',
    '0:0:0:0:0:0:0:1',
    '2001:DB8::1',
  ],
  ...['2024', '2024-05', '2024-05-06', '2024-02-31', '0000-00-00', '0000-05-06', '9999-12-31', '2024-00-10'],
  ...['2024-05-06T07:08:09.010Z', '2024-05-06T07:08:09.010', '2024-05-06T07:08:09.010001Z'],
  ...['2024-05-06T07:08:09.010000Z', '2024-05-06T07:08:09.010000', '2024-05-06T07:08:09.000Z'],
  ...[
    '2024-05-06 07:08:09.010',
    '0000-00-00T00:00:00.000',
    '0000-00-00T00:00:00.000Z',
    '2024-02-31T00:00:00.000',
  ],
  ...['2024-05-06T00:00:00.000Z', '2024-05-06T00:00:00.000', '2024-13-01T00:00:00.000Z', '2024-05-06T07:08Z'],
  ...[
    '07:08:09.0',
    '-00:01:00.0',
    '100:00:00.0',
    '07:08:09',
    undefined,
    [],
    ['a'],
    ['a', 'b'],
    [1, 'a'],
    { k: 1 },
  ],
]

const PATHS = [...Object.keys(COLUMNS), '_id', 'id', 'nothing', 'j.k', 't.u', '__proto__', 'x`y']

describe('source/mariadb/filter on a real server', () => {
  let database: RowDatabase
  let all: Document[]

  before(async function () {
    database = await RowDatabase.create(await mariadbOrSkip(this))
    const columns = definitions(COLUMNS, (name) => `\`${name.replaceAll('`', '``')}\``)
    const indexes = ['i', 'big', 'f', 'num', 't', 'de', 'wide', 'e', 'd', 'dt', 'ts', 'u', 'i6', 'y', 'by']
    await database.run(
      `CREATE TABLE items (id INT PRIMARY KEY, ${columns}, \`__proto__\` INT,
        ${indexes.map((name) => `KEY ${name}_key (\`${name}\`)`).join(', ')}) CHARACTER SET utf8mb4`,
      'CREATE TABLE pairs (a INT, b VARCHAR(20), c INT, PRIMARY KEY (a, b)) CHARACTER SET utf8mb4',
      "INSERT INTO pairs VALUES (1, 'x', 1), (1, 'y', 2), (2, 'x', 3)",
      'CREATE TABLE documents (_id INT PRIMARY KEY, doc JSON)',
      'INSERT INTO documents VALUES (1, \'{"t": 1}\'), (2, \'{"t": "a", "t": "b"}\'), (3, NULL), (4, \'[1]\')',
    )
    const rows = eachValue(COLUMNS)
    await database.write(...rows.map((row) => `INSERT INTO items VALUES (${[...row, 1]})`))
    all = await database.read('items')
    expect(all).to.have.length(rows.length)
  })

  after(() => database?.close())

  const ids = (documents: readonly Document[]) => idsOf(documents).sort()

  it('finds just what matches, for any query', async () => {
    await fc.assert(
      fc.asyncProperty(queriesOf(PATHS, VALUES), async (asked) => {
        expect(ids(await database.read('items', asked))).to.deep.equal(ids(all.filter(matcher(asked))))
      }),
      { numRuns: 500 },
    )
  }).timeout(60_000)

  it('finds just what matches, for each column, operator and value', async () => {
    const table = await database.table('items')
    const connection = await promised(database.pool).getConnection()
    const wrong: string[] = []
    const compare = async (asked: Query[]) => {
      const columns = asked.map((one) => `(${toCondition(table, one).text}) IS TRUE`)
      const rows = await ask(connection, `SELECT id, ${columns.join(', ')} FROM items`)
      for (const [index, one] of asked.entries()) {
        const { exact } = toCondition(table, one)
        const matches = matcher(one)
        for (const document of all) {
          const found = rows.find(([id]) => id === String(document._id))?.[index + 1] === '1'
          if (exact ? found !== matches(document) : !found && matches(document))
            wrong.push(`${JSON.stringify(one)} ${exact} ${document._id}`)
        }
      }
    }
    for (const name of Object.keys(COLUMNS))
      await compare(
        VALUES.flatMap((one): Query[] => [
          { [name]: one },
          { [name]: { $ne: one } },
          ...['$gt', '$gte', '$lt', '$lte'].map((operator) => ({ [name]: { [operator]: one } })),
        ]).filter((one) => Object.keys(one).length > 0),
      )
    connection.release()
    expect(wrong).to.deep.equal([])
  }).timeout(60_000)

  it('finds by a BigInt what its JSON form finds', async () => {
    await expectBigInts(all, (query) => database.read('items', query))
  })

  it('finds by a joint query just what each of its queries finds', async () => {
    let saved = 0
    const source = {
      read: async (collection: string, asked: Query, each: EachBatch) => {
        await each(await database.read(collection, asked))
        return { from: '', to: '' }
      },
    }
    const plain = VALUES.filter((value) => value !== undefined && typeof value !== 'object')
    const rests: Query[] = [{}, { i: { $gte: 0 } }, { $and: [{ bit: { $ne: 1 } }] }]
    await fc.assert(
      fc.asyncProperty(similarQueries(PATHS, plain, rests), async (queries) => {
        saved += await expectSameAsSingle(source, 'items', queries)
      }),
      { numRuns: 40 },
    )
    expect(saved).to.be.greaterThan(40)
  }).timeout(60_000)

  it('denies no comparison that a row matches', async () => {
    const columns = describeColumns(await database.table('items'))
    expect(wronglyDenied(columns, PATHS, VALUES, all)).to.deep.equal([])
  })

  it('finds just what matches where a column is the document', async () => {
    const options = { document: 'doc' }
    const documents = await database.read('documents', {}, undefined, options)
    expect(documents).to.deep.equal([{ _id: 1, t: 1 }, { _id: 2, t: 'b' }, { _id: 3 }, { _id: 4 }])
    for (const asked of [{ t: 'b' }, { t: 'a' }, { t: 1 }, { t: null }, { _id: 3 }, { _id: { $gt: 1 } }])
      expect(ids(await database.read('documents', asked, undefined, options))).to.deep.equal(
        ids(documents.filter(matcher(asked))),
      )
  })

  it('finds a row by a key of several columns', async () => {
    const pair = { a: 1, b: 'x' }
    expect(await database.read('pairs', { _id: pair })).to.deep.equal([{ _id: pair, ...pair, c: 1 }])
    expect(await database.read('pairs', { _id: { a: 1, b: 'X' } })).to.deep.equal([])
    const request = { pool: database.pool, table: database.reference('pairs') }
    const { documents } = await lookupDocuments(request, [pair, { a: 2, b: 'x' }, { a: 2, b: 'y' }, 5, null])
    expect(ids(documents)).to.deep.equal(ids([{ _id: pair }, { _id: { a: 2, b: 'x' } }]))
  })

  it('looks up rows by keys of any type, in their JSON form', async () => {
    for (const [index, [type, ...values]] of Object.values(COLUMNS).entries()) {
      if (/^(TEXT|JSON|VARCHAR\(20\) CHECK)/.test(type)) continue
      const name = `keyed${index}`
      const nullless = type.replace(' NULL', '').replace(/ NOT.*/, '')
      await database.run(`CREATE TABLE ${name} (k ${nullless} PRIMARY KEY, v INT) CHARACTER SET utf8mb4`)
      await database.write(...values.map((one) => `INSERT IGNORE INTO ${name} VALUES (${one}, 1)`))
      const documents = await database.read(name)
      const table = { pool: database.pool, table: database.reference(name) }
      const keys = documents.map(({ _id }) => _id ?? null)
      const found = await lookupDocuments(table, [...keys, 'none of them', -77, true, null, { k: 1 }])
      expect(ids(found.documents), type).to.deep.equal(ids(documents))
    }
  }).timeout(60_000)

  for (const asked of [
    { _id: 3 },
    { i: { $in: [1, -5, 'no number'] } },
    { t: 'a' },
    { t: { $ne: 'a' } },
    { t: { $gt: 'A', $lte: 'a' } },
    { de: 'ss' },
    { u: UUID },
    { e: { $nin: ['happy', null] } },
    { ts: '2024-05-06T07:08:09.010001Z' },
    { d: { $ne: '2024-05-06' } },
    { f: 0.1 },
    { i6: '::1' },
    { i: null },
    { dr: { $ne: null } },
    { i: { $exists: false } },
    { $nor: [{ i: 0 }, { db: { $eq: null } }] },
    { $or: [{ i: { $gt: 0 }, t: 'a' }, { $and: [{ bit: 1 }, { t: 'A' }] }] },
  ]) {
    it(`looks for ${JSON.stringify(asked)} in the database`, async () => {
      const connection = await promised(database.pool).getConnection()
      const { text } = toCondition(await database.table('items'), asked)
      const rows = await ask(connection, `SELECT id FROM items WHERE ${text}`)
      connection.release()
      expect(rows.map(([id]) => Number(id)).sort((a, b) => a - b)).to.deep.equal(
        all.filter(matcher(asked)).map(({ _id }) => _id),
      )
    })
  }

  for (const asked of [
    { t: 'a' },
    { de: 'a' },
    { wide: 'a' },
    { i: 1 },
    { big: { $in: [1, '9007199254740993'] } },
    { u: UUID },
    { d: { $in: ['2024-05-06', 'x', '2024-02-31'] } },
    { dt: { $in: ['2024-05-06T07:08:09.010', '2024-02-31T00:00:00.000'] } },
    { ts: { $in: ['2024-05-06T07:08:09.010Z', '0000-00-00T00:00:00.000Z'] } },
  ]) {
    it(`uses the index for ${JSON.stringify(asked)}`, async () => {
      await database.run('ANALYZE TABLE items')
      const [name = ''] = Object.keys(asked)
      const connection = await promised(database.pool).getConnection()
      const { text } = toCondition(await database.table('items'), asked)
      const rows = await ask(
        connection,
        `EXPLAIN SELECT id FROM items FORCE INDEX (${name}_key) WHERE ${text}`,
      )
      connection.release()
      expect(rows[0]?.[5]).to.equal(`${name}_key`)
      expect(rows[0]?.[3]).to.be.oneOf(['ref', 'range'])
    })
  }

  it('takes no name and no value for SQL', async () => {
    const nasty = [
      "' OR 1 = 1 -- ",
      '" OR 1 = 1 -- ',
      '` OR 1',
      '\\',
      '\0',
      "\\' OR 1=1 -- ",
      '1; DROP TABLE items',
    ]
    for (const one of nasty)
      for (const asked of [
        { t: one },
        { [one]: 1 },
        { [`x${one}`]: { $gt: one } },
        { i: one },
        { u: one },
        { d: { $lt: one } },
      ])
        expect(ids(await database.read('items', asked))).to.deep.equal(ids(all.filter(matcher(asked))))
    expect(await database.read('items')).to.have.length(all.length)
  })
})
