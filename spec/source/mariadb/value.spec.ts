import { expect } from 'chai'
import fc from 'fast-check'
import type { Document, Json } from '../../../lib/model/document.ts'
import { toValue } from '../../../lib/source/mariadb/value.ts'
import { mariadbOrSkip } from '../../support/mariadb.ts'
import { type LoggedChange, RowDatabase, utf8 } from './rows.ts'

const LONGEST_DECIMAL = '-12345678901234567890123456789012345.123456789012345678901234567890'
const BITS = '1'.repeat(64)
const UUID = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'

/** A type, a value in SQL, and its JSON form. */
const TYPES: [type: string, sql: string, json: Json][] = [
  ['BOOLEAN', 'true', 1],
  ['TINYINT', '-128', -128],
  ['TINYINT UNSIGNED', '255', 255],
  ['SMALLINT', '-32768', -32768],
  ['MEDIUMINT', '-8388608', -8388608],
  ['MEDIUMINT UNSIGNED', '16777215', 16777215],
  ['INT', '2147483647', 2147483647],
  ['INT UNSIGNED ZEROFILL', '7', 7],
  ['BIGINT', '9007199254740991', 9007199254740991],
  ['BIGINT', '9007199254740993', '9007199254740993'],
  ['BIGINT', '-9223372036854775808', '-9223372036854775808'],
  ['BIGINT UNSIGNED', '18446744073709551615', '18446744073709551615'],
  ['BIGINT UNSIGNED ZEROFILL', '9223372036854775807', '9223372036854775807'],
  ['FLOAT', '0.1', 0.1],
  ['FLOAT', '16777216', 16777216],
  ['FLOAT', '3.4028234e38', 3.4028235e38],
  ['FLOAT(7,3)', '1234.5678', 1234.568],
  ['DOUBLE', '0.1', 0.1],
  ['DOUBLE', '-0e0', 0],
  ['DOUBLE', '1.7976931348623157e308', 1.7976931348623157e308],
  ['DOUBLE(10,2)', '1.004', 1],
  ['DECIMAL(65,30)', LONGEST_DECIMAL, LONGEST_DECIMAL],
  ['DECIMAL(10,2)', '1.5', '1.50'],
  ['DECIMAL(10,2) ZEROFILL', '1.5', '1.50'],
  ['DECIMAL(5,5)', '-0.00001', '-0.00001'],
  ['DECIMAL(5,0)', '0', '0'],
  ['BIT(1)', "b'1'", 1],
  ['BIT(64)', `b'${BITS}'`, '18446744073709551615'],
  ['YEAR', '2155', 2155],
  ['YEAR', "'0000'", 0],
  ['YEAR(2)', '24', 24],
  ['DATE', "'2024-02-29'", '2024-02-29'],
  ['DATE', "'0000-00-00'", '0000-00-00'],
  ['DATE', "'2024-00-10'", '2024-00-10'],
  ['DATETIME', "'2024-05-06 07:08:09'", '2024-05-06T07:08:09.000'],
  ['DATETIME(1)', "'2024-05-06 07:08:09.5'", '2024-05-06T07:08:09.500'],
  ['DATETIME(6)', "'2024-05-06 07:08:09.123456'", '2024-05-06T07:08:09.123456'],
  ['DATETIME(6)', "'0000-00-00'", '0000-00-00T00:00:00.000'],
  ['TIMESTAMP NULL', "'2024-05-06 07:08:09'", '2024-05-06T07:08:09.000Z'],
  ['TIMESTAMP(6) NULL', "'2024-05-06 07:08:09.010001'", '2024-05-06T07:08:09.010001Z'],
  ['TIMESTAMP NULL', "'0000-00-00'", '0000-00-00T00:00:00.000Z'],
  ['TIMESTAMP(3) NULL', "'2038-01-19 03:14:07.999'", '2038-01-19T03:14:07.999Z'],
  ['TIME', "'-00:01:00'", '-00:01:00'],
  ['TIME', "'-00:59:00'", '-00:59:00'],
  ['TIME', "'-100:00:00'", '-100:00:00'],
  ['TIME', "'838:59:59'", '838:59:59'],
  ['TIME(2)', "'-12:34:56.5'", '-12:34:56.50'],
  ['CHAR(5)', "'ab '", 'ab'],
  ['VARCHAR(20)', "'a '", 'a '],
  ['VARCHAR(20)', "''", ''],
  ['VARCHAR(20)', utf8('😀é'), '😀é'],
  ['VARCHAR(20) CHARACTER SET latin1', utf8('é€'), 'é€'],
  ['VARCHAR(20) CHARACTER SET cp1251', utf8('ж'), 'ж'],
  ['TEXT CHARACTER SET utf16', utf8('é😀'), 'é😀'],
  ['TEXT COMPRESSED CHARACTER SET latin1', utf8('é'), 'é'],
  ['VARCHAR(20) COMPRESSED', utf8('😀'), '😀'],
  ['LONGTEXT', utf8('\ufeffbyte order'), '\ufeffbyte order'],
  ["ENUM('a,b', 'c''d', '')", "'a,b'", 'a,b'],
  ["ENUM('a,b', 'c''d', '')", "'c''d'", "c'd"],
  ["ENUM('x', 'y')", "'none of them'", ''],
  ["SET('x', 'y', 'z')", "'z,x'", ['x', 'z']],
  ["SET('x', 'y', 'z')", "''", []],
  [`SET(${Array.from({ length: 64 }, (_, index) => `'${index}'`)})`, "'0,31,32,63'", ['0', '31', '32', '63']],
  ['BINARY(4)', "X'ff00'", '/wAAAA=='],
  ['VARBINARY(4)', "X'ff00'", '/wA='],
  ['BLOB', "X'deadbeef'", '3q2+7w=='],
  ['BLOB COMPRESSED', "X'deadbeef'", '3q2+7w=='],
  ['UUID', `'${UUID.toUpperCase()}'`, UUID],
  ['INET4', "'10.0.0.1'", '10.0.0.1'],
  ['INET6', "'2001:DB8::1'", '2001:db8::1'],
  ['INET6', "'::ffff:10.0.0.1'", '::ffff:10.0.0.1'],
  ['JSON', '\'{"b": [1, null, {"c": "x"}], "a": 1.50}\'', { b: [1, null, { c: 'x' }], a: 1.5 }],
  ['JSON', "'null'", null],
  ['JSON', "'[9007199254740993, 1e400, -0]'", ['9007199254740993', null, 0]],
  ['JSON', '\'{"__proto__": 1, "a": 1, "a": 2}\'', { a: 2 }],
  ['VARCHAR(20) CHECK (json_valid({}))', '\'{"a": 1}\'', { a: 1 }],
  ['INT', 'NULL', null],
  ["ENUM('x')", 'NULL', null],
  ['JSON', 'NULL', null],
]

const digits = (most: number) => fc.stringMatching(new RegExp(`^[0-9]{1,${most}}$`))
const integer = (min: bigint, max: bigint) =>
  fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max, 0n)).map(String)
const pad = (length: number) => (value: number) => String(value).padStart(length, '0')
const part = (max: number, length = 2) => fc.integer({ min: 0, max }).map(pad(length))
const join = (between: string, ...parts: fc.Arbitrary<string>[]) =>
  fc.tuple(...parts).map((texts) => texts.join(between))
const quoted = (text: fc.Arbitrary<string>) => text.map((one) => `'${one}'`)
const fraction = fc.oneof(
  fc.constant(''),
  part(999999, 6).map((one) => `.${one}`),
)
const clock = join(':', part(23), part(59), part(59))
const text = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.string({ maxLength: 20 }),
    fc.constantFrom('', ' ', 'a ', 'a\0', '\ufffd', '\u0081', '€', '\ufeff'),
  )
  .map(utf8)
const bytes = (minLength: number, maxLength: number) =>
  fc
    .oneof(
      fc.uint8Array({ minLength, maxLength }),
      fc
        .array(fc.constantFrom(0, 0, 0, 255, 1), { minLength, maxLength })
        .map((list) => Uint8Array.from(list)),
    )
    .map((list) => `X'${Buffer.from(list).toString('hex')}'`)
const date = quoted(join('-', part(9999, 4), part(12), part(31)))
const moment = quoted(
  fc
    .tuple(join('-', part(9999, 4), part(12), part(31)), clock, fraction)
    .map(([day, time, end]) => `${day} ${time}${end}`),
)
const stamp = fc.oneof(
  fc
    .tuple(fc.integer({ min: 1, max: 2 ** 31 - 2 }), fraction)
    .map(([seconds, end]) => `FROM_UNIXTIME(${seconds}${end})`),
  fc.constant("'0000-00-00'"),
)
const time = quoted(
  fc
    .tuple(
      fc.constantFrom('', '-'),
      join(
        ':',
        fc.integer({ min: 0, max: 838 }).map(pad(2)),
        part(59),
        fc.oneof(part(59), fc.constant('00')),
      ),
      fraction,
    )
    .map(([sign, hours, end]) => `${sign}${hours}${end}`),
)
const decimal = fc
  .tuple(fc.constantFrom('', '-'), digits(35), digits(30))
  .map(([sign, whole, rest]) => `${sign}${whole}.${rest}`)
const json = fc.oneof(
  fc.jsonValue().map((value) => utf8(JSON.stringify(value))),
  fc
    .constantFrom('1e5', '-0.0', '123456789012345678901', ' [ 1 , 2 ] ', '"\\ud83d\\ude00"', '"\\/"')
    .map(utf8),
)

/** Types with any values of them, most of them valid. */
const RANDOM: [type: string, value: fc.Arbitrary<string>][] = [
  ['TINYINT', integer(-128n, 127n)],
  ['TINYINT UNSIGNED', integer(0n, 255n)],
  ['SMALLINT', integer(-32768n, 32767n)],
  ['MEDIUMINT', integer(-8388608n, 8388607n)],
  ['MEDIUMINT UNSIGNED', integer(0n, 16777215n)],
  ['INT', integer(-(2n ** 31n), 2n ** 31n - 1n)],
  ['INT UNSIGNED', integer(0n, 2n ** 32n - 1n)],
  ['BIGINT', integer(-(2n ** 63n), 2n ** 63n - 1n)],
  ['BIGINT UNSIGNED', integer(0n, 2n ** 64n - 1n)],
  ['FLOAT', fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => value.toExponential())],
  ['FLOAT(10,4)', fc.float({ noNaN: true, min: -99999, max: 99999 }).map((value) => value.toExponential())],
  ['DOUBLE', fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value.toExponential())],
  ['DOUBLE(30,12)', fc.double({ noNaN: true, min: -1e17, max: 1e17 }).map((value) => value.toExponential())],
  ['DECIMAL(65,30)', decimal],
  ['DECIMAL(9,9)', decimal],
  ['DECIMAL(20,0)', decimal],
  ['DECIMAL(13,7)', decimal],
  ['BIT(10)', integer(0n, 1023n)],
  ['BIT(64)', integer(0n, 2n ** 64n - 1n)],
  ['YEAR', integer(1901n, 2155n)],
  ['DATE', date],
  ['DATETIME', moment],
  ['DATETIME(2)', moment],
  ['DATETIME(6)', moment],
  ['TIMESTAMP NULL', stamp],
  ['TIMESTAMP(3) NULL', stamp],
  ['TIMESTAMP(6) NULL', stamp],
  ['TIME', time],
  ['TIME(1)', time],
  ['TIME(3)', time],
  ['TIME(6)', time],
  ['CHAR(20)', text],
  ['VARCHAR(20)', text],
  ['TEXT', text],
  ['VARCHAR(20) CHARACTER SET utf8mb3', text],
  ['VARCHAR(20) CHARACTER SET latin1', text],
  ['VARCHAR(20) CHARACTER SET cp1251', text],
  ['VARCHAR(20) CHARACTER SET cp932', text],
  ['VARCHAR(20) CHARACTER SET utf16', text],
  ['VARCHAR(20) CHARACTER SET utf32', text],
  ['TEXT COMPRESSED', text],
  ["ENUM('a,b', 'c''d', '', 'é')", fc.constantFrom('1', '2', '3', '4', '0', "'none'")],
  ["SET('a', 'b', 'é')", integer(0n, 7n)],
  ['BINARY(8)', bytes(0, 8)],
  ['VARBINARY(8)', bytes(0, 8)],
  ['BLOB', bytes(0, 30)],
  ['UUID', bytes(16, 16).map((one) => `CAST(${one} AS UUID)`)],
  ['INET4', bytes(4, 4).map((one) => `CAST(${one} AS INET4)`)],
  ['INET6', bytes(16, 16).map((one) => `CAST(${one} AS INET6)`)],
  ['JSON', json],
]

describe('source/mariadb/value on a real server', () => {
  let database: RowDatabase

  before(async function () {
    database = await RowDatabase.create(await mariadbOrSkip(this))
  })

  after(() => database?.close())

  async function create(name: string, types: readonly string[]): Promise<void> {
    const columns = types.map((type, index) => `c${index} ${type.replace('{}', `c${index}`)}`)
    await database.run(
      `CREATE TABLE ${name} (id INT PRIMARY KEY, ${columns.join(', ')}) CHARACTER SET utf8mb4`,
    )
  }

  const told = (changes: readonly LoggedChange[]): Document[] =>
    changes.flatMap((one) =>
      one.changes.map((change) => ('document' in change && change.document) || { _id: change.kind }),
    )

  it('gives values one JSON form, whether they are read, inserted or updated', async () => {
    await create(
      'types',
      TYPES.map(([type]) => type),
    )
    const table = await database.table('types')
    const values = TYPES.map(([, sql]) => sql).join(', ')
    const logged = await database.logged(
      () =>
        database.write(
          `INSERT INTO types (id) VALUES (2)`,
          `INSERT INTO types VALUES (1, ${values})`,
          'UPDATE types SET id = 3 WHERE id = 1',
        ),
      [table],
    )
    const fields = Object.fromEntries(TYPES.map(([, , json], index) => [`c${index}`, json]))
    expect(await database.read('types', { _id: 3 })).to.deep.equal([{ _id: 3, id: 3, ...fields }])
    expect(logged.map((one) => one.fits)).to.deep.equal([true, true, true])
    expect(told(logged.slice(1))).to.deep.equal([
      { _id: 1, id: 1, ...fields },
      { _id: 'delete' },
      { _id: 3, id: 3, ...fields },
    ])
  })

  it('gives the same by a pool of any settings', async () => {
    const pool = database.newPool({
      charset: 'latin1',
      timezone: '+05:00',
      dateStrings: false,
      decimalNumbers: true,
      bigNumberStrings: true,
      supportBigNumbers: true,
      rowsAsArray: true,
      nestTables: true,
      namedPlaceholders: true,
      typeCast: () => 'cast',
    })
    pool.on('connection', (connection) => {
      connection.query(
        "SET time_zone = '-07:00', sql_mode = 'ANSI,PAD_CHAR_TO_FULL_LENGTH', sql_select_limit = 1",
      )
      connection.query('SET character_set_results = latin1, sql_quote_show_create = 0, max_sort_length = 8')
    })
    const expected = await database.read('types')
    expect(expected).to.have.length(2)
    expect(await database.read('types', {}, undefined, {}, pool)).to.deep.equal(expected)
  })

  it('gives a row of the log the JSON of the same row read, for any values of each type', async () => {
    await create(
      'samples',
      RANDOM.map(([type]) => type),
    )
    const table = await database.table('samples')
    const row = fc.tuple(
      ...RANDOM.map(([, value]) =>
        fc.oneof({ weight: 9, arbitrary: value }, { weight: 1, arbitrary: fc.constant('NULL') }),
      ),
    )
    const seed = Math.floor(Math.random() * 2 ** 31)
    const values = fc.sample(row, { seed, numRuns: 500 }).map((cells, id) => `(${[id, ...cells].join(', ')})`)
    const logged = await database.logged(
      () => database.write(`INSERT INTO samples VALUES ${values.join(', ')}`),
      [table],
    )
    const documents = told(logged)
    const read = await database.read('samples')
    expect(documents).to.have.length(read.length)
    // A row that the decoding of the log lost is a reload.
    const exact = documents.filter(({ _id }) => _id !== 'reload')
    expect(exact).to.have.length.above(300)
    const ofId = new Map(read.map((document) => [document._id, document]))
    for (const document of exact)
      for (const [index, [type]] of RANDOM.entries())
        expect(document[`c${index}`], `${type}, row ${document._id}, seed ${seed}`).to.deep.equal(
          ofId.get(document._id)?.[`c${index}`],
        )
  }).timeout(30_000)

  it('tells keys apart with halves of surrogate pairs, which MariaDB takes, and reloads at their changes', async () => {
    await database.run(
      'CREATE OR REPLACE TABLE halves (id VARCHAR(9) PRIMARY KEY, n INT) CHARACTER SET utf8mb4',
    )
    const table = await database.table('halves')
    const logged = await database.logged(
      () =>
        database.write(
          "INSERT INTO halves VALUES (_utf8mb4 X'EDA08061', 1), (_utf8mb4 X'EDA081', 2), ('\ufffd', 3), ('a', 4)",
        ),
      [table],
    )
    const read = (await database.read('halves')).map(({ _id, n }) => [_id, n])
    expect(read).to.have.deep.members([
      ['\ud800a', 1],
      ['\ud801', 2],
      ['\ufffd', 3],
      ['a', 4],
    ])
    expect(told(logged).map(({ _id }) => _id)).to.deep.equal(['reload', 'reload', 'reload', 'a'])
    for (const [id, n] of read) {
      expect(await database.read('halves', { _id: id })).to.deep.equal([{ _id: id, id, n }])
      expect(await database.read('halves', { _id: { $ne: id } })).to.have.length(3)
    }
  })

  it('reloads at a change of a text with halves of surrogate pairs in UCS-2', async () => {
    await database.run('CREATE OR REPLACE TABLE halves (id INT PRIMARY KEY, t VARCHAR(9) CHARACTER SET ucs2)')
    const table = await database.table('halves')
    const logged = await database.logged(
      () =>
        database.write(
          "INSERT INTO halves VALUES (1, _ucs2 X'D800'), (2, _ucs2 X'D83DDE00'), (3, _ucs2 X'0061')",
        ),
      [table],
    )
    expect(told(logged).map(({ _id }) => _id)).to.deep.equal(['reload', 'reload', 3])
  })
})

describe('source/mariadb/value', () => {
  it('mends the seconds of a TIMESTAMP past 2038, which the decoding of the log takes for negative', () => {
    const decoded = new Date((Date.parse('2050-05-06T07:08:09Z') / 1000 - 2 ** 32) * 1000).toISOString()
    const text = `${decoded.slice(0, 10)} ${decoded.slice(11, 19)}.010001`
    expect(toValue({ kind: 'timestamp', size: 6 }, text)).to.equal('2050-05-06T07:08:09.010001Z')
  })

  it('keeps a text in a column of JSON that is no JSON', () => {
    expect(toValue({ kind: 'json' }, '{"a": ')).to.equal('{"a": ')
  })
})
