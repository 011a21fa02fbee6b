import { expect } from 'chai'
import fc from 'fast-check'
import type { Document } from '../../../lib/model/document.ts'
import { matcher } from '../../../lib/policy/criteria.ts'
import { loadTable } from '../../../lib/source/postgres/catalog.ts'
import { toCondition } from '../../../lib/source/postgres/filter.ts'
import type { PostgresAdapter } from '../../../lib/source/postgres/index.ts'
import { render } from '../../../lib/source/postgres/render.ts'
import { TypeCatalog } from '../../../lib/source/postgres/type.ts'
import type { Query } from '../../../lib/source/source.ts'
import { expectSameAsSingle, similarQueries } from '../../support/joint.ts'
import { type PostgresServer, postgresOrSkip } from '../../support/postgres.ts'
import { readAll } from '../mongo/fold.ts'
import { expectBigInts } from '../sql/bigints.ts'
import { type Columns, definitions, eachValue } from '../sql/columns.ts'
import { wronglyDenied } from '../sql/denied.ts'
import { idsOf } from '../sql/documents.ts'
import { queriesOf } from '../sql/queries.ts'
import { TestDatabase } from './database.ts'

/** Columns, and values of them that lie at the edges. */
const COLUMNS: Columns = {
  i: ['integer', '0', '1', '-5', '2147483647'],
  big: ['bigint', '1', '9007199254740991', '9007199254740992', '9007199254740993', '-9223372036854775808'],
  f: ['float8', '0', '1.5', "'NaN'", "'Infinity'", '1e300', "'-0'"],
  r: ['real', '0.1', '1', "'NaN'"],
  n2: ['numeric(6,2)', '1', '-0.5', "'NaN'"],
  n0: ['numeric(6)', '1', '10'],
  num: ['numeric', '1', '1.0', '10', "'NaN'"],
  t: ['text', "''", "'a'", "'A'", "'a '", "'\u00e9'", "'\uffee'", "'\u{1f600}'", "'2024-05-06'", "'null'"],
  ci: ['text COLLATE ci', "'a'", "'A'", "'b'"],
  ch: ['char(4)', "'a'", "'a b'", "'\u{1f600}'"],
  ich: ['interval', "'1 day 2 hours'"],
  nums: ['integer[]', "'{}'", "'{1,NULL}'", "'{{1,2},{3,4}}'"],
  days: ['timestamptz[]', "'{2024-05-06 00:00+00}'"],
  u: ['uuid', "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'00000000-0000-0000-0000-000000000000'"],
  e: ['mood', "'happy'", "'sad'"],
  d: [
    'date',
    "'2024-05-06'",
    "'infinity'",
    "'0044-03-15 BC'",
    "'12024-01-01'",
    "'0001-01-01'",
    "'9999-12-31'",
  ],
  ts: [
    'timestamptz',
    "'2024-05-06 07:08:09.010+00'",
    "'2024-05-06 07:08:09.010001+00'",
    "'2024-05-06 00:00+00'",
    "'-infinity'",
    "'12024-01-01 00:00+00'",
  ],
  tz: ['timestamp', "'2024-05-06 07:08:09.010'", "'2024-05-06'", "'0044-03-15 BC'"],
  b: ['boolean', 'true', 'false'],
  by: ['bytea', "'\\x00ff'", "''"],
  a: ['text[]', "'{}'", "'{a}'", "'{a,NULL}'"],
  j: ['jsonb', "'null'", "'1'", '\'"a"\'', '\'[1,"a"]\'', '\'{"k": 1}\'', '\'{"k": [1, null]}\''],
  c: ['pair', "ROW(1, 'x')", 'ROW(10, NULL)', 'ROW(NULL, NULL)'],
  // A column that no path can name, and one that a careless quoting would let out.
  'x"y.z': ['text', "'a'"],
}

const VALUES: unknown[] = [
  ...[
    null,
    true,
    false,
    0,
    1,
    1.5,
    -5,
    0.1,
    1e300,
    2147483647,
    2147483648,
    9007199254740991,
    9007199254740992,
  ],
  ...[
    '',
    'a',
    'A',
    'a ',
    'a   ',
    'a b ',
    '\u00e9',
    '\uffee',
    '\u{1f600}',
    '\ud800',
    'a\0',
    'null',
    '1',
    '1.0',
    'NaN',
    '(10,)',
    '(,)',
  ],
  ...[
    '9007199254740993',
    '9007199254740992',
    '-9223372036854775808',
    '99999999999999999999',
    'happy',
    'sad',
    'AP8=',
  ],
  ...[
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
    'infinity',
    '-infinity',
  ],
  ...[
    '2024',
    '2024-05',
    '2024-05-06',
    '2024-02-31',
    '0044-03-15 BC',
    '12024-01-01',
    '0001-01-01',
    '9999-12-31',
  ],
  ...[
    '2024-05-06T07:08:09.010Z',
    '2024-05-06T07:08:09.010',
    '2024-05-06T07:08:09.010001Z',
    '2024-05-06T07:08:09.010000Z',
    '2024-05-06T07:08:09.010000',
    '2024-05-06 07:08:09+00',
  ],
  ...['2024-05-06T00:00:00.000Z', '2024-05-06T00:00:00.000', '2024-13-01T00:00:00.000Z', '2024-05-06T07:08Z'],
  ...[[], ['a'], ['a', null], [1, 'a'], {}, { k: 1 }, new Date('2024-05-06T07:08:09.010Z'), /^a/],
  ...["'; DROP TABLE items; --", '$1', '" OR true --', "E'\\''"],
]

const PATHS = [...Object.keys(COLUMNS), '_id', 'id', 'nothing', 'j.k', 't.u', '"; DROP TABLE items; --']
const query = queriesOf(PATHS, VALUES)
/** Conditions that similar queries share. */
const RESTS: Query[] = [
  {},
  { i: { $gte: 0 } },
  { $and: [{ b: { $ne: true } }] },
  { $or: [{ i: 1 }, { t: null }] },
]

describe('source/postgres/filter on a real server', () => {
  let database: TestDatabase
  let adapter: PostgresAdapter
  let all: Document[]

  before(async function () {
    const server: PostgresServer = await postgresOrSkip(this)
    database = await TestDatabase.create(server)
    const columns = definitions(COLUMNS, (name) => `"${name.replaceAll('"', '""')}"`)
    await database.run(
      "CREATE TYPE mood AS ENUM ('sad', 'happy')",
      'CREATE TYPE pair AS (a integer, b text)',
      "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
      `CREATE TABLE items (id integer PRIMARY KEY, ${columns}, "__proto__" text)`,
      ...['d', 'ts', 'tz'].map((name) => `CREATE INDEX ON items (${name})`),
      'CREATE TABLE documents (_id jsonb PRIMARY KEY, doc jsonb)',
    )
    for (const row of eachValue(COLUMNS))
      await database.run(`INSERT INTO items VALUES (${[...row, "'hidden'"]})`)
    adapter = await database.adapter('replication', [])
    all = (await readAll(adapter, 'items')).documents
  })

  after(() => database?.close())

  async function found(collection: string, asked: Record<string, unknown>) {
    const documents: Document[] = []
    await adapter.read(collection, asked, (batch) => void documents.push(...batch))
    return documents
  }

  const ids = (documents: Document[]) => idsOf(documents).sort()

  it('finds just what matches, for any query', async () => {
    await fc.assert(
      fc.asyncProperty(query, async (asked) => {
        expect(ids(await found('items', asked))).to.deep.equal(ids(all.filter(matcher(asked))))
      }),
      { numRuns: 400 },
    )
  }).timeout(60_000)

  it('finds by a BigInt what its JSON form finds', async () => {
    await expectBigInts(all, (query) => found('items', query))
  })

  it('finds by a joint query just what each of its queries finds', async () => {
    let saved = 0
    const plain = VALUES.filter((value) => typeof value !== 'object')
    await fc.assert(
      fc.asyncProperty(similarQueries(PATHS, plain, RESTS), async (queries) => {
        saved += await expectSameAsSingle(adapter, 'items', queries)
      }),
      { numRuns: 40 },
    )
    expect(saved).to.be.greaterThan(40)
  }).timeout(60_000)

  it('denies no comparison that a row matches', async () => {
    const { columns } = await adapter.read('items', {}, () => {})
    if (!columns) throw new Error('There are no columns')
    expect(wronglyDenied(columns, PATHS, VALUES, all)).to.deep.equal([])
  })

  it('finds just what matches where a column is the document', async () => {
    const values = [null, true, 0, 1, 0.1, '', 'a', [], [1, 'a'], ['b'], {}, { k: 1 }, 1e300, '\ud83d\ude00']
    const raw = ['9007199254740993', '0.1000000000000000055', '1e400', '1.0']
    for (const [index, one] of [...values.map((item) => JSON.stringify(item)), ...raw].entries())
      await database.pool.query(`INSERT INTO documents VALUES ($1, ('{"t": ' || $2 || '}')::jsonb)`, [
        index,
        one,
      ])
    await database.run(`INSERT INTO documents VALUES ('"none"', '{}'), ('["odd"]', '[1]')`)
    adapter.collection('documents', { document: 'doc' })
    const documents = (await readAll(adapter, 'documents')).documents
    expect(documents).to.have.length(values.length + raw.length + 2)
    await fc.assert(
      fc.asyncProperty(query, async (asked) => {
        expect(ids(await found('documents', asked))).to.deep.equal(ids(documents.filter(matcher(asked))))
      }),
      { numRuns: 300 },
    )
    expect(ids(await found('documents', { t: 0.1 }))).to.have.length(2)
    expect(ids(await found('documents', { t: '9007199254740993' }))).to.have.length(1)
  }).timeout(60_000)

  it('finds a numeric of more digits than others', async () => {
    await database.run(
      'CREATE TABLE amounts (id integer PRIMARY KEY, n numeric)',
      "INSERT INTO amounts VALUES (1, '1e600'), (2, '-1e-600'), (3, 0)",
    )
    for (const { _id, n = null } of (await readAll(adapter, 'amounts')).documents)
      expect(ids(await found('amounts', { n }))).to.deep.equal(ids([{ _id: _id ?? null }]))
  })

  for (const asked of [
    { _id: 3 },
    { i: { $in: [1, -5, 'no number'] } },
    { t: 'a' },
    { t: { $ne: 'a' } },
    { t: { $gt: 'A', $lte: 'a' } },
    { u: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' },
    { e: { $nin: ['happy', null] } },
    { ts: '2024-05-06T07:08:09.010001Z' },
    { d: { $ne: '2024-05-06' } },
    { b: { $not: { $eq: true } } },
    { i: null },
    { i: { $exists: false } },
    { $nor: [{ i: 0 }, { f: { $eq: null } }] },
    { $or: [{ i: { $gt: 0 }, t: 'a' }, { $and: [{ b: false }, { t: 'A' }] }] },
  ]) {
    it(`looks for ${JSON.stringify(asked)} in the database`, async () => {
      const client = await database.pool.connect()
      try {
        const types = new TypeCatalog()
        const reference = { schema: 'public', name: 'items', collection: 'items', options: {} }
        const table = await loadTable(client, reference, types)
        if (!table) throw new Error('There is no table')
        const { sql, values } = render(toCondition(table, asked, types))
        const { rows } = await client.query(`SELECT id FROM items WHERE ${sql}`, values)
        expect(ids(rows.map(({ id }) => ({ _id: id })))).to.deep.equal(ids(all.filter(matcher(asked))))
      } finally {
        client.release()
      }
    })
  }

  for (const [what, asked] of [
    ['of a key', { _id: { $in: [1, 2] } }],
    ['of dates, also for a text that is no date', { d: { $in: ['2024-05-06', 'x', '2024-02-31'] } }],
    [
      'of times, also for a far one',
      { ts: { $in: ['2024-05-06T07:08:09.010Z', '12024-01-01 00:00:00+00'] } },
    ],
    ['of times without a zone, also for a text', { tz: { $in: ['2024-05-06T07:08:09.010', "x'"] } }],
  ] as const)
    it(`uses the index ${what}`, async () => {
      const client = await database.pool.connect()
      try {
        const types = new TypeCatalog()
        const reference = { schema: 'public', name: 'items', collection: 'items', options: {} }
        const table = await loadTable(client, reference, types)
        if (!table) throw new Error('There is no table')
        const { sql, values } = render(toCondition(table, asked, types))
        await client.query('SET enable_seqscan = off')
        const { rows } = await client.query(`EXPLAIN SELECT * FROM items WHERE ${sql}`, values)
        expect(JSON.stringify(rows)).to.include('Index Cond').and.not.include('Seq Scan')
        await client.query('RESET enable_seqscan')
      } finally {
        client.release()
      }
    })

  it('takes no name and no value for SQL', async () => {
    const hostile = [
      '"; DROP TABLE items; --',
      "'; DROP TABLE items; --",
      '$1',
      '\\',
      '%s',
      "a' OR '1'='1",
      '/*',
    ]
    for (const text of hostile) {
      // A name that begins so is an operator.
      if (!text.startsWith('$')) expect(await found('items', { [text]: text }), text).to.deep.equal([])
      expect(await found('items', { t: text, i: { $in: [text] }, ts: { $gt: text } }), text).to.deep.equal([])
      expect((await adapter.lookup('items', [text, { id: text }])).documents, text).to.deep.equal([])
      const table = `"${text.replaceAll('"', '""')}"`
      expect(await found(table, {}), table).to.deep.equal([])
      await database.run(`CREATE TABLE ${table} ("${text.replaceAll('"', '""')}" text PRIMARY KEY)`)
      await database.pool.query(`INSERT INTO ${table} VALUES ($1)`, [text])
      expect(await found(table, { _id: text }), table).to.deep.equal([{ _id: text, [text]: text }])
      expect((await adapter.lookup(table, [text])).documents, table).to.deep.equal([
        { _id: text, [text]: text },
      ])
    }
    expect((await readAll(adapter, 'items')).documents).to.deep.equal(all)
  })
})
