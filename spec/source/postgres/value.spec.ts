import { expect } from 'chai'
import type { Json } from '../../../lib/model/document.ts'
import { readAll } from '../mongo/fold.ts'
import { eachDatabase, MODES, type TestDatabase } from './database.ts'

/** A type, a value in SQL, and its JSON form. */
const TYPES: [type: string, sql: string, json: Json][] = [
  ['boolean', 'true', true],
  ['smallint', '-32768', -32768],
  ['integer', '2147483647', 2147483647],
  ['bigint', '9007199254740991', 9007199254740991],
  ['bigint', '9007199254740993', '9007199254740993'],
  ['real', '0.1', 0.1],
  ['double precision', '0.1', 0.1],
  ['double precision', "'NaN'", null],
  ['double precision', "'-Infinity'", null],
  ['double precision', "'-0'", 0],
  ['numeric', '1234567890.12345678901234567890', '1234567890.12345678901234567890'],
  ['numeric(10,2)', '1.5', '1.50'],
  ['numeric', "'NaN'", 'NaN'],
  ['text', '\'a "b" \\ c,{d}\'', 'a "b" \\ c,{d}'],
  ['text', "U&'\\FEFFbyte order'", '\ufeffbyte order'],
  ['text', "''", ''],
  ['varchar(5)', "'abc'", 'abc'],
  ['char(5)', "'abc'", 'abc  '],
  ['name', "'a name'", 'a name'],
  ['uuid', "'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11'", 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ['mood', "'so so'", 'so so'],
  ['mood[]', "'{happy,so so,NULL}'", ['happy', 'so so', null]],
  ['percent', '50', 50],
  ['percent[]', "'{1,2}'", [1, 2]],
  ['date', "'2024-02-29'", '2024-02-29'],
  ['date', "'infinity'", 'infinity'],
  ['date', "'0044-03-15 BC'", '0044-03-15 BC'],
  ['timestamptz', "'2024-05-06 07:08:09+02'", '2024-05-06T05:08:09.000Z'],
  ['timestamptz', "'2024-05-06 07:08:09.01+00'", '2024-05-06T07:08:09.010Z'],
  ['timestamptz', "'2024-05-06 07:08:09.123456+00'", '2024-05-06T07:08:09.123456Z'],
  ['timestamptz', "'infinity'", 'infinity'],
  ['timestamp', "'2024-05-06 07:08:09.5'", '2024-05-06T07:08:09.500'],
  ['time', "'07:08:09.5'", '07:08:09.5'],
  ['interval', "'1 day 2 hours'", 'P1DT2H'],
  ['jsonb', '\'{"b": [1, null, {"c": "x"}], "a": 1.50}\'', { a: 1.5, b: [1, null, { c: 'x' }] }],
  ['jsonb', "'null'", null],
  ['jsonb', '\'{"__proto__": 1, "a": {"__proto__": {"b": 1}}}\'', { a: {} }],
  ['jsonb', "'[1e400, -1e400, 1]'", [null, null, 1]],
  [
    'jsonb',
    "'[9007199254740993, -9007199254740993, 9007199254740992, 1e20, 123456789012345678901]'",
    ['9007199254740993', '-9007199254740993', 9007199254740992, 1e20, '123456789012345678901'],
  ],
  [
    'json',
    `'{"12345678901234567890": [12345678901234567890, "a \\" 12345678901234567890"]}'`,
    {
      '12345678901234567890': ['12345678901234567890', 'a " 12345678901234567890'],
    },
  ],
  ['json', '\'{"a": -0, "\\u005f_proto__": 1}\'', { a: 0 }],
  ['integer[]', "'{1,NULL,3}'", [1, null, 3]],
  ['integer[]', "'{}'", []],
  [
    'integer[]',
    "'{{1,2},{3,4}}'",
    [
      [1, 2],
      [3, 4],
    ],
  ],
  ['integer[]', "'[5:6]={1,2}'", [1, 2]],
  [
    'text[]',
    `ARRAY['a,b', 'c"d', '', 'NULL', 'x\\y', NULL, '{}']`,
    ['a,b', 'c"d', '', 'NULL', 'x\\y', null, '{}'],
  ],
  ['timestamptz[]', `'{"2024-05-06 07:08:09+00"}'`, ['2024-05-06T07:08:09.000Z']],
  ['jsonb[]', `ARRAY['{"a": "b,c"}'::jsonb, 'null']`, [{ a: 'b,c' }, null]],
  ['box[]', "'{(1,1),(0,0);(3,3),(2,2)}'", ['(1,1),(0,0)', '(3,3),(2,2)']],
  ['bytea', "'\\xdeadbeef'", '3q2+7w=='],
  ['inet', "'10.0.0.1'", '10.0.0.1'],
  ['point', "'(1,2)'", '(1,2)'],
  ['int4range', "'[1,5)'", '[1,5)'],
  ['pair', "ROW(1, 'x y')", '(1,"x y")'],
  ['int2vector', "'1 2'", '1 2'],
  ['regclass', "'public.types'", 'public.types'],
  ['money', '1.5', '$1.50'],
  ['bit(3)', "B'101'", '101'],
  ['integer', 'NULL', null],
]

describe('source/postgres/value on a real server', () => {
  let database: TestDatabase

  eachDatabase(async (fresh) => {
    database = fresh
    const columns = TYPES.map(([type], index) => `c${index} ${type}`)
    await database.run(
      "CREATE TYPE mood AS ENUM ('happy', 'so so')",
      'CREATE DOMAIN percent AS integer CHECK (VALUE BETWEEN 0 AND 100)',
      'CREATE TYPE pair AS (a integer, b text)',
      'CREATE TABLE types (id integer PRIMARY KEY)',
      ...columns.map((column) => `ALTER TABLE types ADD COLUMN ${column}`),
      // What the values look like must not depend on any of these.
      `ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET DateStyle = 'German'`,
      `ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET TimeZone = 'Asia/Tokyo'`,
      `ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET IntervalStyle = 'sql_standard'`,
      `ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET bytea_output = 'escape'`,
      `ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET extra_float_digits = -10`,
    )
  })

  const insert = `INSERT INTO types VALUES (1, ${TYPES.map(([, sql]) => sql).join(', ')})`
  const expected = Object.fromEntries([
    ['_id', 1],
    ['id', 1],
    ...TYPES.map(([, , json], index) => [`c${index}`, json]),
  ])

  for (const mode of MODES) {
    it(`gives values one JSON form by ${mode}, whether they are read, looked up, inserted or updated`, async () => {
      const pool = database.newPool()
      const adapter = await database.adapter(mode, ['types'], {}, pool)
      const { recorder } = await database.follow(adapter)
      const writer = database.newPool()
      await writer.query(insert)
      await writer.query('UPDATE types SET c2 = 7')
      await writer.query('ALTER TABLE types REPLICA IDENTITY FULL')
      await writer.query('UPDATE types SET c2 = 2147483647')
      await recorder.until(() => recorder.changesSeen.length >= 3)
      const [inserted, updated, again] = recorder.changesSeen
      const named = (document: object) =>
        Object.fromEntries(
          Object.entries(document).map(([name, value]) => [
            `${TYPES[Number(name.slice(1))]?.[0] ?? ''} ${name}`,
            value,
          ]),
        )
      const { documents } = await readAll(adapter, 'types')
      expect(named(documents[0] ?? {})).to.deep.equal(named(expected))
      expect((await adapter.lookup('types', [1])).documents[0]).to.deep.equal(expected)
      expect(inserted && 'document' in inserted && inserted.document).to.deep.equal(expected)
      expect(updated && 'document' in updated && updated.document).to.deep.equal({ ...expected, c2: 7 })
      expect(again && 'before' in again && again.before).to.deep.equal({ ...expected, c2: 7 })
      expect(again && 'document' in again && again.document).to.deep.equal(expected)
      expect(recorder.errors).to.deep.equal([])
    })
  }

  it('finds rows by keys of any type, in their JSON form', async () => {
    const keys: [type: string, sql: string, json: Json][] = [
      ...TYPES.filter(([type, sql]) => !/^(jsonb?|jsonb\[\]|box\[\]|point)$/.test(type) && sql !== 'NULL'),
      ['jsonb', '\'{"a": [1, "x"]}\'', { a: [1, 'x'] }],
    ]
    const adapter = await database.adapter('replication', [])
    for (const [index, [type, sql, json]] of keys.entries()) {
      if (json === null) continue
      await database.run(
        `CREATE TABLE k${index} (k ${type} PRIMARY KEY)`,
        `INSERT INTO k${index} VALUES (${sql})`,
      )
      const expected = { _id: json, k: json }
      expect(
        (await adapter.lookup(`k${index}`, [json, 'nobody', 1.5, -7, null, { k: 1 }])).documents,
        type,
      ).to.deep.equal([expected])
      const found: unknown[] = []
      await adapter.read(`k${index}`, { _id: json as never }, (documents) => void found.push(...documents))
      expect(found, type).to.deep.equal([expected])
    }
  })
})
