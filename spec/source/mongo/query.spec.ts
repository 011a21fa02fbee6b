import { expect } from 'chai'
import * as classes from 'mongodb'
import { toFilter } from '../../../lib/source/mongo/query.ts'
import { idCandidates } from '../../../lib/source/mongo/value.ts'

const hex = '5f0c3a1b2c3d4e5f60718293'
const oid = new classes.ObjectId(hex)
const iso = '2024-05-06T07:08:09.010Z'
const date = new Date(iso)
const uuid = '01234567-89ab-4def-8123-456789abcdef'
const binary = new classes.Binary(Buffer.from(uuid.replaceAll('-', ''), 'hex'), 4)
const long = classes.Long.fromString('9007199254740993')

const around = (text: string, milliseconds: number) => new Date(Date.parse(text) + milliseconds)

/** What is a text in JSON, but for dates, whose order is known. */
const TEXTUAL = [
  'objectId',
  'binData',
  'decimal',
  'long',
  'timestamp',
  'regex',
  'javascript',
  'symbol',
  'minKey',
  'maxKey',
]
const texts = (condition: unknown) => ({ $or: [{ a: condition }, { a: { $type: ['date', ...TEXTUAL] } }] })
const dates = (condition: unknown, bound: unknown) => ({
  $or: [{ a: condition }, { a: bound }, { a: { $type: TEXTUAL } }],
})

const TABLE: [string, Record<string, unknown>, Record<string, unknown>][] = [
  ['nothing', {}, {}],
  ['a plain value', { a: 1, b: 'x' }, { $and: [{ a: 1 }, { b: 'x' }] }],
  ['one plain value', { a: null }, { a: null }],
  ['an ObjectId', { owner: hex }, { owner: { $in: [hex, oid] } }],
  ['a date', { at: iso }, { at: { $in: [iso, date] } }],
  ['a UUID', { key: uuid }, { key: { $in: [uuid, binary] } }],
  ['a large integer', { n: '9007199254740993' }, { n: { $in: ['9007199254740993', long] } }],
  ['a safe integer as text', { n: '123' }, { n: '123' }],
  ['upper-case hex', { owner: hex.toUpperCase() }, { owner: hex.toUpperCase() }],
  ['an impossible date', { at: '2024-13-45T00:00:00.000Z' }, { at: '2024-13-45T00:00:00.000Z' }],
  ['$eq', { a: { $eq: hex } }, { a: { $in: [hex, oid] } }],
  ['$in', { a: { $in: [1, hex] } }, { a: { $in: [1, hex, oid] } }],
  ['$ne', { a: { $ne: hex } }, { a: { $nin: [hex, oid] } }],
  ['$ne of an array', { a: { $ne: [1] } }, { a: { $nin: [[1]] } }],
  ['$nin', { a: { $nin: [hex] } }, { a: { $nin: [hex, oid] } }],
  ['$gte of a date', { a: { $gte: iso } }, dates({ $gte: iso }, { $gte: around(iso, -1000) })],
  [
    '$lt of a day',
    { a: { $lt: '2024-05-06' } },
    dates({ $lt: '2024-05-06' }, { $lte: around('2024-05-06', 1000) }),
  ],
  [
    '$gt of a time without zone',
    { a: { $gt: '2024-05-06T07:08' } },
    dates({ $gt: '2024-05-06T07:08' }, { $gte: around('2024-05-06T07:08Z', -1000) }),
  ],
  ['$gt of another text', { a: { $gt: 'x' } }, texts({ $gt: 'x' })],
  ['$gt of a text below a negation', { a: { $not: { $gt: 'x' } } }, { $nor: [{ a: { $gt: 'x' } }] }],
  ['a pattern', { a: /x/ }, texts(/x/)],
  ['a pattern below a negation', { $nor: [{ a: /x/ }] }, { $nor: [{ a: /x/ }] }],
  ['$type of texts', { a: { $type: 'string' } }, { a: { $type: ['string', 'date', ...TEXTUAL] } }],
  ['$type of numbers', { a: { $type: ['int', 'bool'] } }, { a: { $type: ['int', 'bool', 'number'] } }],
  ['$type below a negation', { $nor: [{ a: { $type: 2 } }] }, { $nor: [{ a: { $type: 2 } }] }],
  [
    '$elemMatch of two fields and a pattern',
    { a: { $elemMatch: { x: /x/, y: { $gte: iso } } } },
    {
      a: {
        $elemMatch: {
          $and: [{ x: /x/ }, { $or: [{ y: { $gte: iso } }, { y: { $gte: around(iso, -1000) } }] }],
        },
      },
    },
  ],
  ['$elemMatch of two fields', { a: { $elemMatch: { x: 1, y: 2 } } }, { a: { $elemMatch: { x: 1, y: 2 } } }],
  ['$not of an order of dates', { a: { $not: { $gt: iso } }, b: 1 }, { $and: [{}, { b: 1 }] }],
  ['$nor of an order of dates', { $nor: [{ a: { $gt: iso } }], b: 1 }, { b: 1 }],
  ['two bounds', { a: { $gt: 1, $lt: 5 } }, { $and: [{ a: { $gt: 1 } }, { a: { $lt: 5 } }] }],
  ['$not', { a: { $not: { $eq: hex } } }, { $nor: [{ a: { $in: [hex, oid] } }] }],
  ['$all', { a: { $all: ['x', hex] } }, { $and: [{ a: 'x' }, { a: { $in: [hex, oid] } }] }],
  ['$exists', { a: { $exists: false } }, { a: { $exists: false } }],
  ['$regex', { a: { $regex: '^x', $options: 'i' } }, texts({ $regex: '^x', $options: 'i' })],
  ['$or', { $or: [{ a: hex }, { b: 1 }] }, { $or: [{ a: { $in: [hex, oid] } }, { b: 1 }] }],
  ['$elemMatch', { a: { $elemMatch: { x: hex } } }, { a: { $elemMatch: { x: { $in: [hex, oid] } } } }],
  ['bare $elemMatch', { a: { $elemMatch: { $in: [hex] } } }, { a: { $elemMatch: { $in: [hex, oid] } } }],
  [
    'an object',
    { a: { x: hex, y: 1 } },
    {
      a: {
        $in: [
          { x: hex, y: 1 },
          { x: oid, y: 1 },
        ],
      },
    },
  ],
  ['an array', { a: [hex] }, { a: { $in: [[hex], [oid]] } }],
]

describe('toFilter', () => {
  for (const [what, query, filter] of TABLE) {
    it(`converts ${what}`, () => {
      expect(toFilter(query, classes)).to.deep.equal(filter)
    })
  }
})

describe('idCandidates', () => {
  it('finds what may stand behind an id in JSON form', () => {
    expect(idCandidates([1, hex, iso], classes)).to.deep.include.members([1, hex, oid, iso, date])
    expect(idCandidates(['0.10'], classes)).to.deep.include(classes.Decimal128.fromString('0.10'))
    expect(idCandidates(['aGVsbG8='], classes)).to.deep.include(new classes.Binary(Buffer.from('hello'), 0))
    expect(idCandidates([{ a: hex }], classes)).to.deep.equal([{ a: hex }, { a: oid }])
  })
})
