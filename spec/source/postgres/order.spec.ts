import { expect } from 'chai'
import fc from 'fast-check'
import type { Document } from '../../../lib/model/document.ts'
import { idKey } from '../../../lib/model/id.ts'
import { matcher } from '../../../lib/policy/criteria.ts'
import { Order, type SortKey } from '../../../lib/policy/order.ts'
import type { PostgresAdapter } from '../../../lib/source/postgres/index.ts'
import { type PostgresServer, postgresOrSkip } from '../../support/postgres.ts'
import { readAll } from '../mongo/fold.ts'
import { TestDatabase } from './database.ts'

const TIMES = [
  ...['2024-05-06 07:08:09', '2024-05-06 07:08:09.01', '2024-05-06 07:08:09.010001', '0044-03-15 BC'],
  ...['2024-05-06 07:08:09.010999', '2024-05-06 07:08:09.011', 'infinity', '-infinity', '0001-01-01'],
  ...['9999-12-31 23:59:59.999999', '10000-01-01', '12024-01-01', '1969-12-31 23:59:59.9995', '0999-01-01'],
  ...['0001-12-31 23:59:59.999 BC', '1969-12-31 23:59:59.999'],
]
const TEXTS = [
  '',
  'a',
  'A',
  'b',
  'a ',
  'a\t',
  'é',
  '\uffee',
  '\u{1f600}',
  '10',
  '9',
  'Z',
  '_',
  '\ufeffa',
  'aé',
]
const JSONS: unknown[] = [null, true, false, 0, 1, -1.5, 10, 9, 1e-9, 9007199254740992, ...TEXTS.slice(0, 8)]
const literals = (values: readonly string[]) => values.map((value) => `'${value}'`)

/** Columns whose order PostgreSQL tells, and values at the edges. */
const COLUMNS: Record<string, [type: string, ...values: string[]]> = {
  i: ['integer', '0', '1', '10', '9', '-5', '2147483647'],
  small: ['smallint', '0', '1', '10', '-5'],
  big: [
    'bigint',
    '1',
    '9007199254740991',
    '9007199254740992',
    '10000000000000000',
    '-9223372036854775808',
    '9',
  ],
  safe: ['bigint NOT NULL DEFAULT 5', '1', '2', '-3', '9007199254740991'],
  f: ['float8', '0', "'-0'", '1.5', "'NaN'", "'Infinity'", "'-Infinity'", '1e300', '-5e-324', '0.1'],
  r: ['real', '0.1', '0.10000001', '1', "'NaN'", "'Infinity'", '16777216', '3.4e38'],
  must: ["float8 NOT NULL DEFAULT 'NaN'", '2', '-1', "'Infinity'", "'-Infinity'"],
  num: ['numeric', '1', '1.0', '10', '9', '-2', "'NaN'", "'Infinity'", '123456789012345678901234567890'],
  t: ['text', ...literals(TEXTS)],
  v: ["varchar(20) NOT NULL DEFAULT 'x'", ...literals(TEXTS)],
  n: ['name', ...literals(TEXTS)],
  en: ['text COLLATE "en-x-icu"', ...literals(TEXTS)],
  ci: ['text COLLATE ci', ...literals(TEXTS)],
  ch: ['char(4)', ...literals(TEXTS)],
  u: ['uuid', "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'00000000-0000-0000-0000-000000000000'"],
  e: ['mood', "'happy'", "'sad'", "'Angry'"],
  p: ['percent', '5', '50', '100'],
  word: ['word', ...literals(TEXTS)],
  d: ['date', ...literals(TIMES.map((time) => time.replace(/ \d\d:[\d:.]+/, '')))],
  ts: ['timestamptz', ...literals(TIMES)],
  at: ['timestamptz NOT NULL DEFAULT now()', ...literals(TIMES)],
  tz: ['timestamp', ...literals(TIMES)],
  iv: ['interval', "'1 day'", "'1 year 2 hours'", "'-3 seconds'"],
  tm: ['time', "'07:08:09'", "'07:08:09.5'", "'24:00'"],
  b: ['boolean', 'true', 'false'],
  by: [
    'bytea',
    "'\\x00ff'",
    "''",
    "'\\xff'",
    `decode(repeat('ab', 100), 'hex')`,
    `decode(repeat('ab', 99), 'hex')`,
  ],
  ip: ['inet', "'10.0.0.1'", "'9.0.0.1'", "'10.0.0.0/8'"],
  m: ['money', '1.5', '10', '9'],
  c: ['pair', "ROW(1, 'x')", 'ROW(10, NULL)', 'ROW(NULL, NULL)'],
  j: ['jsonb', ...JSONS.map((value) => `'${JSON.stringify(value)}'`)],
}
const PATHS = [...Object.keys(COLUMNS), '_id', 'id', 'nothing', 't.u', 'j.k', '"; DROP TABLE items; --']

const sortOf = (paths: readonly string[]): fc.Arbitrary<SortKey[]> =>
  fc.uniqueArray(fc.tuple(fc.constantFrom(...paths), fc.constantFrom<(1 | -1)[]>(1, -1)), {
    selector: ([path]) => path,
    minLength: 1,
    maxLength: 3,
  })

describe('source/postgres/order on a real server', () => {
  let server: PostgresServer
  let database: TestDatabase
  let adapter: PostgresAdapter

  before(async function () {
    server = await postgresOrSkip(this)
    database = await TestDatabase.create(server)
    adapter = await database.adapter('replication', [])
    await database.run(
      "CREATE TYPE mood AS ENUM ('sad', 'happy', 'Angry')",
      'CREATE DOMAIN percent AS integer',
      'CREATE DOMAIN word AS text',
      'CREATE TYPE pair AS (a integer, b text)',
      "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
      `CREATE TABLE items (id integer PRIMARY KEY, ${Object.entries(COLUMNS).map(([name, [type]]) => `${name} ${type}`)})`,
    )
    const [seed] = fc.sample(fc.integer(), 1)
    const random = fc.sample(fc.array(fc.nat(), { minLength: 40, maxLength: 40 }), {
      seed: seed ?? 0,
      numRuns: 60,
    })
    for (const [id, numbers] of random.entries()) {
      const values = Object.values(COLUMNS).map(([, ...items], index) => {
        // The last one of them stands for none.
        return items[(numbers[index] ?? 0) % (items.length + 1)] ?? 'DEFAULT'
      })
      await database.run(`INSERT INTO items VALUES (${[id, ...values]})`)
    }
  })

  after(() => database?.close())

  async function first(collection: string, sort: SortKey[], limit: number, query = {}) {
    const found: Document[] = []
    const order = new Order(sort)
    await adapter.read(collection, query, (batch) => void found.push(...batch), { sort: order.keys, limit })
    return { found: sorted(found, sort), count: found.length }
  }

  function sorted(documents: readonly Document[], sort: SortKey[]): Document[] {
    const order = new Order(sort)
    return documents
      .map((document) => ({ document, values: order.valuesOf(document) }))
      .sort((a, b) => order.compare(a.values, b.values))
      .map(({ document }) => document)
  }

  const ids = (documents: readonly Document[]) => documents.map(({ _id }) => idKey(_id ?? null))

  it('gives the first documents of any order of columns, and no more', async () => {
    const all = (await readAll(adapter, 'items')).documents
    await fc.assert(
      fc.asyncProperty(sortOf(PATHS), fc.integer({ min: 1, max: 70 }), async (sort, limit) => {
        const { found } = await first('items', sort, limit)
        expect(ids(found)).to.deep.equal(ids(sorted(all, sort).slice(0, limit)))
      }),
      {
        numRuns: 500,
        examples: PATHS.flatMap(
          (path) =>
            [
              [[[path, 1]], 7],
              [[[path, -1]], 7],
            ] as [SortKey[], number][],
        ),
      },
    )
  }).timeout(60_000)

  it('gives the first ones of those that match, also where the database finds too many', async () => {
    const all = (await readAll(adapter, 'items')).documents
    const queries = [
      { b: true },
      { t: { $regex: 'a' } },
      { ts: { $gt: '2024-05-06T07:08:09.010Z' } },
      { $or: [{ i: { $gt: 0 } }, { j: 1 }] },
      { i: { $mod: [2, 1] } },
      { i: 12345 },
    ]
    await fc.assert(
      fc.asyncProperty(
        sortOf(PATHS),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom(...queries),
        async (sort, limit, query) => {
          const { found } = await first('items', sort, limit, query)
          const expected = sorted(all.filter(matcher(query)), sort)
          expect(ids(found)).to.deep.equal(ids(expected.slice(0, Math.max(limit, found.length))))
        },
      ),
      { numRuns: 200 },
    )
  }).timeout(60_000)
})
