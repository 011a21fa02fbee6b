import { expect } from 'chai'
import fc from 'fast-check'
import type { Document } from '../../../lib/model/document.ts'
import { matcher } from '../../../lib/policy/criteria.ts'
import { Order, type SortKey } from '../../../lib/policy/order.ts'
import { Server } from '../../../lib/server/index.ts'
import type { PostgresAdapter } from '../../../lib/source/postgres/index.ts'
import type { Query } from '../../../lib/source/source.ts'
import { LocalClient, until } from '../../support/local.ts'
import { type PostgresServer, postgresOrSkip } from '../../support/postgres.ts'
import { readAll } from '../mongo/fold.ts'
import { type Columns, definitions, randomRows } from '../sql/columns.ts'
import { idsOf, sorted } from '../sql/documents.ts'
import { sortsOf } from '../sql/queries.ts'
import { MODES, TestDatabase } from './database.ts'

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
const COLUMNS: Columns = {
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
      `CREATE TABLE items (id integer PRIMARY KEY, ${definitions(COLUMNS)})`,
    )
    for (const row of randomRows(COLUMNS, 60)) await database.run(`INSERT INTO items VALUES (${row})`)
  })

  after(() => database?.close())

  async function first(collection: string, sort: SortKey[], limit: number, query = {}) {
    const found: Document[] = []
    const order = new Order(sort)
    await adapter.read(collection, query, (batch) => void found.push(...batch), { sort: order.keys, limit })
    return { found: sorted(found, sort), count: found.length }
  }

  it('gives the first documents of any order of columns, and no more', async () => {
    const all = (await readAll(adapter, 'items')).documents
    await fc.assert(
      fc.asyncProperty(sortsOf(PATHS), fc.integer({ min: 1, max: 70 }), async (sort, limit) => {
        const { found } = await first('items', sort, limit)
        expect(idsOf(found)).to.deep.equal(idsOf(sorted(all, sort).slice(0, limit)))
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
        sortsOf(PATHS),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom(...queries),
        async (sort, limit, query) => {
          const { found } = await first('items', sort, limit, query)
          const expected = sorted(all.filter(matcher(query)), sort)
          expect(idsOf(found)).to.deep.equal(idsOf(expected.slice(0, Math.max(limit, found.length))))
        },
      ),
      { numRuns: 200 },
    )
  }).timeout(60_000)

  it('gives the first times of a millisecond by their texts, in which the full one is the last', async () => {
    await database.run(
      'CREATE TABLE instants (id integer PRIMARY KEY, at timestamptz, must timestamptz NOT NULL)',
      `INSERT INTO instants SELECT i, t, t FROM generate_series(1, 12) i,
        LATERAL (SELECT '2024-05-06 07:08:09.010+00'::timestamptz + (i % 6) * interval '400 us' AS t) time`,
      'CREATE INDEX ON instants (at)',
    )
    const all = (await readAll(adapter, 'instants')).documents
    for (const path of ['at', 'must']) {
      for (const direction of [1, -1] as const) {
        for (let limit = 1; limit <= 12; limit++) {
          const { found } = await first('instants', [[path, direction]], limit)
          expect(idsOf(found)).to.deep.equal(idsOf(sorted(all, [[path, direction]]).slice(0, limit)))
        }
      }
    }
  })

  it('orders by keys of several columns, whatever their names are, and by texts', async () => {
    await database.run(
      'CREATE TABLE pairs (b text, "2" integer, "10" bigint, c text, at integer, PRIMARY KEY (b, "2", "10", c))',
      `INSERT INTO pairs SELECT chr(97 + i % 3), i % 4, CASE WHEN i % 5 = 0 THEN 9007199254740993 ELSE i % 5 END, chr(960 - i), i % 2
        FROM generate_series(1, 60) i`,
      'CREATE TABLE words (word text COLLATE "en-x-icu" PRIMARY KEY, at integer)',
      `INSERT INTO words SELECT word, ordinality % 2 FROM unnest(ARRAY['a', 'A', 'b', 'B', 'é', 'a b', 'a-b', '_']) WITH ORDINALITY word`,
      'CREATE TABLE marks (mark jsonb PRIMARY KEY, at integer)',
      `INSERT INTO marks SELECT to_jsonb(i), i % 2 FROM generate_series(1, 12) i UNION ALL SELECT '"a"', 1 UNION ALL SELECT 'true', 0`,
    )
    for (const table of ['pairs', 'words', 'marks']) {
      const all = (await readAll(adapter, table)).documents
      await fc.assert(
        fc.asyncProperty(
          sortsOf(['_id', 'at', '_id.10', '_id.c', '_id.nothing']),
          fc.integer({ min: 1, max: 9 }),
          async (sort, limit) => {
            const { found } = await first(table, sort, limit)
            expect(idsOf(found)).to.deep.equal(idsOf(sorted(all, sort).slice(0, limit)))
          },
        ),
        { numRuns: 60 },
      )
    }
  }).timeout(60_000)

  describe('of documents in a column', () => {
    const PLAIN = JSONS.map((at) => ({ at, deep: { at } }))
    const ODD: [what: string, doc: string, isOdd: (path: string) => boolean][] = [
      ['an array', '{"at": [5], "deep": {"at": [1]}}', () => true],
      ['an object', '{"at": {"b": 1}, "deep": {"at": {}}}', () => true],
      ['an array on the way', '{"deep": [{"at": 3}]}', (path) => path === 'deep.at'],
      ['a number that overflows', '{"at": 1e400, "deep": {"at": -1e400}}', () => true],
      ['a number that is next to none', '{"at": 1e-400, "deep": {"at": -1e-400}}', () => true],
      ['no object', '[{"at": 1}]', () => false],
      ['an empty object', '{}', () => false],
      ['objects in other places', '{"at": 7, "deep": {"at": 7, "b": []}, "b": {}}', () => false],
      [
        'numbers that are one in JavaScript',
        '{"at": 1.00000000000000000001, "deep": {"at": 9007199254740992}}',
        () => false,
      ],
      [
        'an integer that a number would round',
        '{"at": 9007199254740993, "deep": {"at": 9007199254740993}}',
        () => true,
      ],
    ]
    let tables = 0
    const collection = async (type: string, docs: string[]) => {
      const name = `documents${++tables}`
      await database.run(`CREATE TABLE ${name} (id integer PRIMARY KEY, doc ${type})`)
      // The odd one is in none of the places where it would be seen at once.
      for (const [index, doc] of docs.entries())
        await database.pool.query(`INSERT INTO ${name} VALUES ($1, $2)`, [(index * 7) % docs.length, doc])
      adapter.collection(name, { document: 'doc' })
      return name
    }

    for (const [what, doc, isOdd] of ODD) {
      it(`gives the first ones, or all where it isn't sure: ${what}`, async () => {
        const docs = [...PLAIN.map((one) => JSON.stringify(one)), doc]
        const name = await collection('jsonb', docs)
        const all = (await readAll(adapter, name)).documents
        for (const path of ['at', 'deep.at', 'deep.at.b', 'none', '\u0000', "'"]) {
          for (const sort of [[[path, 1]], [[path, -1]]] as SortKey[][]) {
            const { found, count } = await first(name, sort, 5)
            expect(idsOf(found).slice(0, 5), JSON.stringify(sort)).to.deep.equal(
              idsOf(sorted(all, sort).slice(0, 5)),
            )
            if (/^(deep\.)?at$/.test(path)) expect(count, path).to.equal(isOdd(path) ? docs.length : 5)
          }
        }
      })
    }

    it('reads all where the column is of the type json', async () => {
      const name = await collection('json', ['{"at": 2}', '{"at": 1}', '{"at": 3}'])
      expect((await first(name, [['at', 1]], 1)).count).to.equal(3)
      expect((await first(name, [['_id', 1]], 1)).count).to.equal(1)
    })
  })

  it('reads all by an array, of which the smallest or the largest counts', async () => {
    await database.run(
      'CREATE TABLE lists (id integer PRIMARY KEY, list integer[], raw json)',
      "INSERT INTO lists VALUES (1, '{5,1}', '3'), (2, '{}', '2'), (3, NULL, '1'), (4, '{2,9}', NULL)",
    )
    const all = (await readAll(adapter, 'lists')).documents
    for (const sort of [
      [['list', 1]],
      [['list', -1]],
      [['raw', 1]],
      [
        ['id', 1],
        ['list.0', 1],
      ],
    ] as SortKey[][])
      expect((await first('lists', sort, 2)).found).to.deep.equal(sorted(all, sort))
  })

  it('reads all by texts where the database has them in another encoding', async () => {
    const name = `${new URL(database.url).pathname.slice(1)}_latin`
    await database.run(`CREATE DATABASE ${name} ENCODING 'WIN1252' LOCALE 'C' TEMPLATE template0`)
    const url = new URL(database.url)
    url.pathname = `/${name}`
    const pool = database.newPool(url.href)
    try {
      await pool.query('CREATE TABLE items (id integer PRIMARY KEY, t text, d date)')
      await pool.query(
        "INSERT INTO items VALUES (1, '\u20ac', '2024-05-06'), (2, '\u00e9', '2024-05-07'), (3, 'z', NULL)",
      )
      const other = await database.adapter('replication', [], {}, pool)
      const read = async (sort: SortKey[], query = {}) => {
        const found: Document[] = []
        await other.read('items', query, (batch) => void found.push(...batch), {
          sort: new Order(sort).keys,
          limit: 1,
        })
        return sorted(found, sort).map(({ _id }) => _id)
      }
      expect(await read([['t', -1]])).to.deep.equal([1, 2, 3])
      expect(await read([['d', -1]])).to.deep.equal([2])
      // In that encoding, the euro sign is in front of the accents.
      expect(await read([['_id', 1]], { t: { $gt: '\u00e9' } })).to.deep.equal([1])
    } finally {
      await pool.end()
      await database.run(`DROP DATABASE ${name}`)
    }
  })

  for (const [what, column, sort] of [
    ['a time', 'at', [['at', -1]]],
    ['a time from its beginning', 'at', [['at', 1]]],
    [
      'a time that is never NULL, and a number',
      'must, n',
      [
        ['must', -1],
        ['n', -1],
      ],
    ],
    ['a time without a zone', 'tz', [['tz', -1]]],
    ['a large number that is the key', '', [['_id', -1]]],
    ['a number', 'n', [['n', 1]]],
    ['a number with fractions', 'f', [['f', -1]]],
    ['a text', 'name COLLATE "C"', [['name', 1]]],
    [
      'a number of few, and a text',
      'team, name COLLATE "C"',
      [
        ['team', -1],
        ['name', -1],
      ],
    ],
  ] as [string, string, SortKey[]][]) {
    it(`takes 50 of 20,000 rows from an index by ${what}`, async () => {
      const statements = [
        'DROP TABLE IF EXISTS many',
        `CREATE TABLE many (id bigint PRIMARY KEY, at timestamptz, must timestamptz NOT NULL, tz timestamp, n integer NOT NULL, f float8, name text NOT NULL, team integer NOT NULL)`,
        `INSERT INTO many SELECT i, t, t, t, i * 7919 % 20011, i * 7919 % 20011, md5(i::text), i % 10
          FROM generate_series(1, 20000) i, LATERAL (SELECT '2024-01-01'::timestamptz + (i * 7919 % 20011) * interval '1003.007 ms' AS t) time`,
        ...(column === '' ? [] : [`CREATE INDEX ON many (${column})`]),
        'ANALYZE many',
        // Counts what the index read now, since a later reset would not reach it.
        'SELECT pg_stat_force_next_flush()',
        'SELECT pg_stat_reset()',
      ]
      const setup = database.newPool()
      for (const statement of statements) await setup.query(statement)
      const pool = database.newPool()
      const own = await database.adapter('replication', [], {}, pool)
      const found: Document[] = []
      await own.read('many', {}, (batch) => void found.push(...batch), {
        sort: new Order(sort).keys,
        limit: 50,
      })
      expect(found).to.have.length(50)
      // What a session did is told when it ends, at the latest.
      await pool.end()
      let touched = 0
      for (let tries = 0; tries < 100 && touched === 0; tries++) {
        const { rows } = await database.pool.query(
          "SELECT (seq_tup_read + COALESCE(idx_tup_fetch, 0))::int AS touched FROM pg_stat_user_tables WHERE relname = 'many'",
        )
        touched = rows[0].touched
        if (touched === 0) await new Promise((resolve) => setTimeout(resolve, 50))
      }
      expect(touched).to.be.within(50, 160)
      const all = (await readAll(adapter, 'many')).documents
      expect(idsOf(sorted(found, sort))).to.deep.equal(idsOf(sorted(all, sort).slice(0, 50)))
    }).timeout(30_000)
  }

  it('reads in order, up to the last one wanted, where the database finds too many', async () => {
    await database.run(
      'DROP TABLE IF EXISTS many',
      'CREATE TABLE many AS SELECT i AS id, i * 7919 % 20011 AS n FROM generate_series(1, 20000) i',
      'ALTER TABLE many ADD PRIMARY KEY (id)',
    )
    const query = { n: { $mod: [4, 1] } }
    const { found, count } = await first('many', [['n', -1]], 300, query)
    expect(count).to.be.within(300, 1000)
    const all = (await readAll(adapter, 'many')).documents.filter(matcher(query))
    expect(idsOf(found)).to.deep.equal(idsOf(sorted(all, [['n', -1]]).slice(0, count)))
  })

  for (const mode of MODES) {
    it(`is kept for clients under random writes, with no reset, by ${mode}`, async () => {
      await database.run(
        'DROP TABLE IF EXISTS messages',
        'CREATE TABLE messages (id bigint PRIMARY KEY, at timestamptz, price float8, room text, body text)',
        "INSERT INTO messages SELECT i, to_timestamp(i), i % 9, CASE WHEN i % 3 > 0 THEN 'a' ELSE 'b' END, '' FROM generate_series(0, 59) i",
      )
      const pool = database.newPool()
      const own = await database.adapter(mode, ['messages'], {}, pool)
      const errors: Error[] = []
      const source = { manifest: { body: true, at: true } as const, collection: own.collection('messages') }
      const sorts: Record<string, { sort: Record<string, 1 | -1>; limit: number; criteria?: Query }> = {
        all: { sort: { at: -1 }, limit: 5 },
        room: { sort: { at: -1 }, limit: 3, criteria: { room: 'a' } },
        price: { sort: { price: 1, at: -1 }, limit: 4 },
      }
      const particle = new Server({
        dataSources: Object.fromEntries(
          Object.entries(sorts).map(([root, cut]) => [root, { ...source, ...cut }]),
        ),
        onError: (error) => errors.push(error),
      })
      const clients = [await LocalClient.connect(particle)]
      const shown = (documents: readonly Document[] = []) =>
        JSON.stringify(documents.map(({ _id, at, body }) => ({ _id, at, body })))
      const truth = async () => {
        const { documents } = await readAll(adapter, 'messages')
        return Object.entries(sorts).map(([, { sort, limit, criteria = {} }]) =>
          shown(sorted(documents.filter(matcher(criteria)), Object.entries(sort)).slice(0, limit)),
        )
      }
      const random = fc.sample(fc.tuple(fc.nat(70), fc.nat(5)), 240)
      try {
        for (let round = 0; round < 6; round++) {
          for (const [n, kind] of random.slice(round * 40, round * 40 + 40)) {
            const at = [`to_timestamp(${n % 50})`, 'now()', 'NULL', "'infinity'"][n % 4]
            const statement = [
              `DELETE FROM messages WHERE id = ${n}`,
              `INSERT INTO messages VALUES (${n}, to_timestamp(${(n * 37) % 71}), 'NaN', 'a', 'r${round}')
                ON CONFLICT (id) DO UPDATE SET body = 'r${round}'`,
              `UPDATE messages SET at = ${at} WHERE id = ${n}`,
              `UPDATE messages SET room = CASE room WHEN 'a' THEN 'b' ELSE 'a' END WHERE id = ${n}`,
              `UPDATE messages SET price = ${n % 7}, body = 'p${round}' WHERE id = ${n}`,
              'DELETE FROM messages WHERE id = (SELECT id FROM messages ORDER BY at DESC NULLS LAST LIMIT 1)',
            ][kind]
            await database.run(statement ?? '')
          }
          if (round === 2) await database.run('DELETE FROM messages WHERE at > to_timestamp(20)')
          if (round % 2) clients.push(await LocalClient.connect(particle))
          const end = await truth()
          const isThere = () =>
            clients.every(
              (one) =>
                one.ready && Object.keys(sorts).every((root, index) => shown(one.model[root]) === end[index]),
            )
          await until(isThere, `round ${round}: ${end}`, 8000)
        }
        expect(errors).to.deep.equal([])
        expect(clients[0]?.of('reset')).to.deep.equal([])
      } finally {
        await particle.disconnect()
      }
    }).timeout(60_000)
  }
})
