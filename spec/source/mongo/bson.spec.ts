import { expect } from 'chai'
import * as bson from 'mongodb'
import { BSON } from 'mongodb'
import { bsonToJson, documentToJson } from '../../../lib/source/mongo/bson.ts'
import { READ_OPTIONS } from '../../../lib/source/mongo/read-options.ts'

const hex = '5f0c3a1b2c3d4e5f60718293'
const uuid = '01234567-89ab-4def-8123-456789abcdef'
const uuidBytes = Buffer.from(uuid.replaceAll('-', ''), 'hex')

const TABLE: [string, unknown, unknown][] = [
  ['a string', 'a', 'a'],
  ['a boolean', true, true],
  ['null', null, null],
  ['a number', 1.5, 1.5],
  ['a Double', new bson.Double(2.5), 2.5],
  ['an Int32', new bson.Int32(7), 7],
  ['NaN', Number.NaN, null],
  ['a Double of infinity', new bson.Double(Number.POSITIVE_INFINITY), null],
  ['a small Long', bson.Long.fromNumber(-5), -5],
  ['the largest safe Long', bson.Long.fromString('9007199254740991'), 9007199254740991],
  ['a large Long', bson.Long.fromString('9007199254740993'), '9007199254740993'],
  ['a large negative Long', bson.Long.fromString('-9223372036854775808'), '-9223372036854775808'],
  ['a small bigint', 12n, 12],
  ['a large bigint', 9007199254740993n, '9007199254740993'],
  ['a Decimal128', bson.Decimal128.fromString('0.10'), '0.10'],
  ['an ObjectId', new bson.ObjectId(hex), hex],
  ['a Date', new Date(0), '1970-01-01T00:00:00.000Z'],
  ['a Date out of range', new Date(Number.NaN), null],
  ['a Binary', new bson.Binary(Buffer.from('hello')), 'aGVsbG8='],
  ['a Buffer', Buffer.from('hello'), 'aGVsbG8='],
  ['a UUID', new bson.UUID(uuid), uuid],
  ['a Binary of subtype 4', new bson.Binary(uuidBytes, 4), uuid],
  ['a Binary of subtype 3', new bson.Binary(uuidBytes, 3), uuidBytes.toString('base64')],
  ['a Timestamp', new bson.Timestamp({ t: 4000000000, i: 3 }), '4000000000.3'],
  ['a RegExp', /a\/b/gi, '/a\\/b/gi'],
  ['a BSONRegExp', new bson.BSONRegExp('a', 'ix'), '/a/ix'],
  ['Code', new bson.Code('return 1', { x: 1 }), 'return 1'],
  ['a Symbol', new bson.BSONSymbol('s'), 's'],
  ['a DBRef', new bson.DBRef('users', new bson.ObjectId(hex), 'db'), { $ref: 'users', $id: hex, $db: 'db' }],
  ['MinKey', new bson.MinKey(), 'MinKey'],
  ['MaxKey', new bson.MaxKey(), 'MaxKey'],
  ['an array', [new bson.Int32(1), undefined, [new Date(0)]], [1, null, ['1970-01-01T00:00:00.000Z']]],
  ['an object', { a: { b: new bson.Int32(1) }, c: undefined }, { a: { b: 1 } }],
]

describe('bsonToJson', () => {
  for (const [what, value, json] of TABLE) {
    it(`turns ${what} into ${JSON.stringify(json)}`, () => {
      expect(bsonToJson(value)).to.deep.equal(json)
    })
  }

  it('gives the same for what comes off the wire', () => {
    const plain = TABLE.filter(([, value]) => value !== undefined && typeof value !== 'bigint')
    for (const [what, value, json] of plain) {
      if (what === 'a Date out of range') continue
      const { promoteLongs, promoteValues, promoteBuffers, useBigInt64, bsonRegExp } = READ_OPTIONS
      const options = { promoteLongs, promoteValues, promoteBuffers, useBigInt64, bsonRegExp }
      const back = BSON.deserialize(BSON.serialize({ value }, { ignoreUndefined: false }), options)
      const expected =
        what === 'an object' ? { a: { b: 1 }, c: null } : what === 'a RegExp' ? '/a\\/b/is' : json
      expect(bsonToJson(back.value), what).to.deep.equal(expected)
    }
  })

  it('leaves a field named __proto__ out, and no prototype is changed', () => {
    const bytes = BSON.serialize(
      JSON.parse('{"_id":1,"__proto__":{"polluted":true},"a":{"__proto__":1,"constructor":2}}'),
    )
    const document = documentToJson(BSON.deserialize(bytes))
    expect(JSON.stringify(document)).to.equal('{"_id":1,"a":{"constructor":2}}')
    expect(Object.getPrototypeOf(document)).to.equal(Object.prototype)
  })
})
