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

/** Bounds all Binaries of a length, whatever their subtype. */
const binaries = (length: number) => ({
  $gte: new classes.Binary(Buffer.alloc(length, 0), 0),
  $lte: new classes.Binary(Buffer.alloc(length, 255), 255),
})

const TABLE: [string, Record<string, unknown>, Record<string, unknown>][] = [
  ['nothing', {}, {}],
  ['a plain value', { a: 1, b: 'x' }, { $and: [{ a: 1 }, { b: 'x' }] }],
  ['an ObjectId', { a: hex }, { $or: [{ a: { $in: [hex, oid] } }, { a: binaries(18) }] }],
  ['a word of base64', { a: 'five' }, { $or: [{ a: 'five' }, { a: binaries(3) }] }],
  [
    'words of base64 of one length',
    { a: { $in: ['five', 'nine'] } },
    { $or: [{ a: { $in: ['five', 'nine'] } }, { a: binaries(3) }] },
  ],
  ['a word that no Binary has', { a: 'fi==' }, { a: 'fi==' }],
  ['a date', { at: iso }, { at: { $in: [iso, date] } }],
  ['a UUID', { key: uuid }, { key: { $in: [uuid, binary] } }],
  [
    'a large integer',
    { n: '9007199254740993' },
    {
      $or: [{ n: { $in: ['9007199254740993', long] } }, { n: binaries(12) }, { n: { $type: ['decimal'] } }],
    },
  ],
  ['an integer as text', { n: '123' }, { $or: [{ n: '123' }, { n: { $type: ['decimal'] } }] }],
  ['an impossible date', { at: '2024-13-45T00:00:00.000Z' }, { at: '2024-13-45T00:00:00.000Z' }],
  ['$ne of a text', { a: { $ne: hex } }, { a: { $nin: [hex, oid] } }],
  [
    '$ne of a number',
    { a: { $ne: 5 } },
    { $or: [{ a: { $nin: [5] } }, { a: { $type: ['decimal', 'long'] } }] },
  ],
  ['$ne of an array', { a: { $ne: [1] } }, {}],
  ['$gte of a date', { a: { $gte: iso } }, dates({ $gte: iso }, { $gte: around(iso, -1000) })],
  [
    '$lt of a day',
    { a: { $lt: '2024-05-06' } },
    dates({ $lt: '2024-05-06' }, { $lte: around('2024-05-06', 1000) }),
  ],
  ['$gt of another text', { a: { $gt: 'x' } }, texts({ $gt: 'x' })],
  ['a pattern', { a: /x/ }, texts(/x/)],
  ['a negation that the server may take for more', { $nor: [{ a: /x/ }], b: 1 }, { b: 1 }],
  ['two bounds', { a: { $gt: 1, $lt: 5 } }, { $and: [{ a: { $gt: 1 } }, { a: { $lt: 5 } }] }],
  ['$elemMatch of two fields', { a: { $elemMatch: { x: 1, y: 2 } } }, { a: { $elemMatch: { x: 1, y: 2 } } }],
  ['$elemMatch of values of unknown types', { a: { $elemMatch: { $in: [hex] } } }, { a: { $type: 'array' } }],
  ['an object of plain values', { a: { x: 1 } }, { a: { x: 1 } }],
  ['an object of values of unknown types', { a: { x: hex } }, { a: { $type: ['object'] } }],
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
