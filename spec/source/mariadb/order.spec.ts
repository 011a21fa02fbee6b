import { expect } from 'chai'
import fc from 'fast-check'
import type { Document } from '../../../lib/model/document.ts'
import { matcher } from '../../../lib/policy/criteria.ts'
import { Order, type SortKey } from '../../../lib/policy/order.ts'
import { promised } from '../../../lib/source/mariadb/pool.ts'
import { ask } from '../../../lib/source/mariadb/session.ts'
import type { Query } from '../../../lib/source/source.ts'
import { mariadbOrSkip } from '../../support/mariadb.ts'
import { type Columns, definitions, randomRows } from '../sql/columns.ts'
import { idsOf, sorted } from '../sql/documents.ts'
import { sortsOf } from '../sql/queries.ts'
import { RowDatabase, utf8 } from './rows.ts'

const TIMES = [
  ...[
    '2024-05-06 07:08:09',
    '2024-05-06 07:08:09.01',
    '2024-05-06 07:08:09.010001',
    '2024-05-06 07:08:09.010999',
  ],
  ...['2024-05-06 07:08:09.011', '0000-00-00', '2001-01-01', '2037-12-31 23:59:59.999999', '1971-01-01'],
].map((time) => `'${time}'`)
const TEXTS = [
  '',
  'a',
  'A',
  'b',
  'a ',
  'a\t',
  'a\0',
  'é',
  '\uffee',
  '😀',
  '10',
  '9',
  'Z',
  '_',
  '\ufeffa',
  'aé',
  'ß',
  'ss',
]
const texts = TEXTS.map(utf8)
const UUIDS = [
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
  '00000000-0000-0000-0000-000000000000',
  '2c1d43b8-e6d7-11e0-8a3d-0800200c9a66',
]
const ADDRESSES = ["'::1'", "'2001:db8::1'", "'::ffff:10.0.0.1'", "'::ffff:9.0.0.1'", "'f::'"]

/** Columns whose order MariaDB tells, and values at the edges. */
const COLUMNS: Columns = {
  i: ['INT', '0', '1', '10', '9', '-5', '2147483647'],
  un: ['INT UNSIGNED', '0', '4294967295', '9'],
  small: ['SMALLINT', '0', '1', '10', '-5'],
  big: [
    'BIGINT',
    '1',
    '9007199254740991',
    '9007199254740992',
    '10000000000000000',
    '-9223372036854775808',
    '9',
  ],
  ubig: ['BIGINT UNSIGNED ZEROFILL', '1', '9007199254740992', '18446744073709551615', '10000000000000000'],
  safe: ['BIGINT NOT NULL DEFAULT 5', '1', '2', '-3', '9007199254740991', '9007199254740993'],
  f: ['FLOAT', '0', '-0e0', '0.1', '0.10000001', '1', '16777216', '3.4e38', '-1e-44'],
  db: ['DOUBLE', '0', '-0e0', '1.5', '1e300', '-5e-324', '0.1'],
  num: ['DECIMAL(30,2)', '1', '10', '9', '-2', '-10', '1234567890123456789012345678', '0'],
  nz: ['DECIMAL(6,1) ZEROFILL', '1', '10', '9'],
  bit: ['BIT(10)', "b'1'", "b'101'", "b'1111111111'"],
  bits: ['BIT(64)', "b'1'", `b'${'1'.repeat(64)}'`, `b'${'1'.repeat(54)}'`],
  y: ['YEAR', '2024', "'0000'", '1999'],
  y2: ['YEAR(2)', '24', '1', '99'],
  t: ['VARCHAR(20)', ...texts],
  v: ["VARCHAR(300) NOT NULL DEFAULT 'x'", ...texts, `REPEAT('a', 299)`, `CONCAT(REPEAT('a', 299), 'b')`],
  bin: ['VARCHAR(20) COLLATE utf8mb4_bin', ...texts],
  de: ['VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german2_ci', ...texts],
  wide: ['VARCHAR(20) CHARACTER SET utf16', ...texts],
  tx: ['TEXT', ...texts],
  ch: ['CHAR(4)', ...texts.slice(0, 5)],
  e: ["ENUM('sad', 'happy', 'Angry')", "'happy'", "'sad'", "'Angry'", '0'],
  s: ["SET('a', 'b')", "'a'", "'a,b'", "''"],
  d: ['DATE', ...TIMES.map((time) => time.replace(/ .*'/, "'")), "'2024-00-10'", "'9999-12-31'"],
  dt: ['DATETIME(6)', ...TIMES, "'9999-12-31 23:59:59'", "'0001-01-01'"],
  dt3: ['DATETIME(3)', ...TIMES],
  ts: ['TIMESTAMP(6) NULL', ...TIMES],
  at: ["TIMESTAMP(6) NOT NULL DEFAULT '2024-05-06 07:08:09.5'", ...TIMES],
  ts3: ['TIMESTAMP(3) NULL', ...TIMES],
  tm: ['TIME(1)', "'07:08:09'", "'07:08:09.5'", "'-00:01:00'", "'100:00:00'", "'99:00:00'"],
  vb: ['VARBINARY(10)', "X'00ff'", "''", "X'ff'", "X'fb'", "X'03'"],
  blob_: ['BLOB', "X'00ff'", "''", "REPEAT('a', 100)", "REPEAT('a', 99)"],
  u: ['UUID', ...UUIDS.map((one) => `'${one}'`)],
  i4: ['INET4', "'10.0.0.1'", "'9.0.0.1'", "'100.0.0.1'"],
  i6: ['INET6', ...ADDRESSES],
  j: ['JSON', "'null'", "'1'", '\'"a"\'', '\'{"k": 1}\'', "'[2]'"],
}
const PATHS = [...Object.keys(COLUMNS), '_id', 'id', 'nothing', 't.u', 'j.k', '`; DROP TABLE items; --']

describe('source/mariadb/order on a real server', () => {
  let database: RowDatabase
  let all: Document[]

  before(async function () {
    database = await RowDatabase.create(await mariadbOrSkip(this))
    const rows = randomRows(COLUMNS, 60).map((row) => `(${row})`)
    await database.write(
      `CREATE TABLE items (id INT PRIMARY KEY, ${definitions(COLUMNS)}) CHARACTER SET utf8mb4`,
      `INSERT INTO items VALUES ${rows}`,
    )
    all = await database.read('items')
  })

  after(() => database?.close())

  async function first(collection: string, sort: SortKey[], limit: number, query: Query = {}) {
    const found = await database.read(collection, query, { sort: new Order(sort).keys, limit })
    return { found: sorted(found, sort), count: found.length }
  }

  for (const direction of [1, -1] as const)
    it(`gives the first documents by each column, in direction ${direction}`, async () => {
      for (const path of PATHS)
        for (const limit of [1, 7, 59]) {
          const { found, count } = await first('items', [[path, direction]], limit)
          expect(idsOf(found.slice(0, limit)), path).to.deep.equal(
            idsOf(sorted(all, [[path, direction]]).slice(0, limit)),
          )
          const isTold = !['s', 'j', 'j.k', 'nz'].includes(path)
          expect(count, path).to.equal(isTold ? limit : all.length)
        }
    }).timeout(60_000)

  it('gives the first documents of any order of columns', async () => {
    await fc.assert(
      fc.asyncProperty(sortsOf(PATHS), fc.integer({ min: 1, max: 70 }), async (sort, limit) => {
        const { found } = await first('items', sort, limit)
        expect(idsOf(found.slice(0, limit))).to.deep.equal(idsOf(sorted(all, sort).slice(0, limit)))
      }),
      { numRuns: 150 },
    )
  }).timeout(60_000)

  it('gives the first documents that match a query, also where the database finds too many', async () => {
    for (const query of [{ t: 'a' }, { num: { $gt: '1' } }, { vb: { $in: ['', 'AP8='] } }, { t: /a/ }]) {
      const matching = sorted(all.filter(matcher(query)), [['i', -1]])
      const { found } = await first('items', [['i', -1]], 3, query)
      expect(idsOf(found.slice(0, 3))).to.deep.equal(idsOf(matching.slice(0, 3)))
    }
  })

  it('gives all documents where a text is too long to be sorted by all of its bytes', async () => {
    const long = 'a'.repeat(1100)
    await database.write(
      'CREATE TABLE longs (id INT PRIMARY KEY, t TEXT CHARACTER SET utf8mb4, b BLOB)',
      `INSERT INTO longs VALUES (1, '${long}b', ''), (2, '${long}a', ''), (3, 'x', REPEAT('a', 800))`,
    )
    for (const path of ['t', 'b']) expect((await first('longs', [[path, 1]], 1)).count, path).to.equal(3)
    await database.write(
      'DELETE FROM longs WHERE id <> 3',
      "UPDATE longs SET b = 'a'",
      "INSERT INTO longs VALUES (4, 'y', 'b')",
    )
    for (const path of ['t', 'b']) expect((await first('longs', [[path, 1]], 1)).count, path).to.equal(1)
  })

  describe('with an index', () => {
    before(async () => {
      await database.write(
        `CREATE TABLE many (id BIGINT PRIMARY KEY, n INT, big BIGINT, at TIMESTAMP(6) NULL, dt DATETIME, f DOUBLE,
          KEY n_key (n), KEY big_key (big), KEY at_key (at), KEY dt_key (dt), KEY f_key (f))`,
        `INSERT INTO many SELECT seq, seq * 7919 % 20000, seq * 7919 % 20000, FROM_UNIXTIME(1e9 + seq / 1000),
          FROM_UNIXTIME(1e9 + seq), seq / 7 FROM seq_1_to_20000`,
        'INSERT INTO many VALUES (9007199254740993, NULL, 9007199254740993, NULL, NULL, NULL)',
        'ANALYZE TABLE many',
      )
    })

    for (const [path, direction] of [
      ['_id', -1],
      ['n', 1],
      ['big', -1],
      ['big', 1],
      ['at', -1],
      ['at', 1],
      ['dt', -1],
      ['f', 1],
    ] as const)
      it(`takes 50 of 20,000 rows by ${path}, in direction ${direction}, without reading many more`, async () => {
        const rows = await database.read('many')
        const pool = database.newPool({ connectionLimit: 1 })
        const connection = await promised(pool).getConnection()
        const count = async () => {
          const list = await ask(connection, "SHOW SESSION STATUS LIKE 'Handler_read_%'")
          return list.reduce((sum, [, value]) => sum + Number(value), 0)
        }
        const before = await count()
        connection.release()
        const sort: SortKey[] = [
          [path, direction],
          ['_id', 1],
        ]
        const found = await database.read('many', {}, { sort: new Order(sort).keys, limit: 50 }, {}, pool)
        const again = await promised(pool).getConnection()
        again.release()
        // Reads the catalog too.
        expect((await count()) - before).to.be.below(2000)
        expect(idsOf(sorted(found, sort).slice(0, 50))).to.deep.equal(idsOf(sorted(rows, sort).slice(0, 50)))
      }).timeout(20_000)
  })
})
