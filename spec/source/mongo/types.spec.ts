import { expect } from 'chai'
import {
  Binary,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  MongoClient,
  ObjectId,
  Timestamp,
  UUID,
} from 'mongodb'
import type { Document, Json } from '../../../lib/model/document.ts'
import { matcher } from '../../../lib/policy/query.ts'
import { documentToJson } from '../../../lib/source/mongo/bson.ts'
import { mongo } from '../../../lib/source/mongo/index.ts'
import type { Adapter } from '../../../lib/source/source.ts'
import { mongoOrSkip } from '../../support/mongod.ts'
import { freshDatabase } from './fold.ts'

const HEX = '5f0c3a1b2c3d4e5f60718293'
const ISO = '2024-05-06T12:00:00.000Z'
const UUID_TEXT = '01234567-89ab-4def-8123-456789abcdef'

/**
 * A value of each BSON type, beside the text that it becomes. (But no DBRef: it is an object, which SecantusDB
 * takes for none; and no Code,
 * which the text of its source does not find.)
 */
const VALUES: Record<string, unknown> = {
  null: null,
  nan: Number.NaN,
  infinity: Number.POSITIVE_INFINITY,
  true: true,
  zero: 0,
  negativeZero: new Double(-0),
  int: new Int32(5),
  double: new Double(5.5),
  long: Long.fromNumber(5),
  largeLong: Long.fromString('9007199254740993'),
  largeLongText: '9007199254740993',
  largeDouble: new Double(9007199254740992),
  decimal: Decimal128.fromString('5'),
  decimalText: '5',
  decimalZeros: Decimal128.fromString('5.00'),
  decimalNaN: Decimal128.fromString('NaN'),
  text: 'user',
  emptyText: '',
  objectId: new ObjectId(HEX),
  objectIdText: HEX,
  date: new Date(ISO),
  dateText: ISO,
  uuid: new UUID(UUID_TEXT),
  uuidText: UUID_TEXT,
  binary: new Binary(Buffer.from('hello'), 0),
  binaryOfUser: new Binary(Buffer.from('aGVsbG8=', 'base64'), 128),
  binaryText: 'aGVsbG8=',
  timestamp: new Timestamp({ t: 5, i: 5 }),
  timestampText: '5.5',
  regex: /us/i,
  regexText: '/us/i',
  minKey: new MinKey(),
  minKeyText: 'MinKey',
  maxKey: new MaxKey(),
  object: { x: new ObjectId(HEX), y: HEX },
  objectOfTexts: { x: HEX, y: HEX },
}

const DOCUMENTS = Object.entries(VALUES).flatMap(([name, value]) => [
  { _id: name, a: value },
  { _id: `${name} in a list`, a: [value] },
  { _id: `${name} in an object`, a: { b: value } },
  { _id: `${name} in a list of objects`, a: [{ b: value }, { b: 1 }] },
])

/** Conditions that a JSON value makes. */
const CONDITIONS: Record<string, (value: Json) => unknown> = {
  equality: (value) => value,
  $eq: ($eq) => ({ $eq }),
  $ne: ($ne) => ({ $ne }),
  $gt: ($gt) => ({ $gt }),
  $gte: ($gte) => ({ $gte }),
  $lt: ($lt) => ({ $lt }),
  $lte: ($lte) => ({ $lte }),
  $in: (value) => ({ $in: ['other', value] }),
  '$in with a pattern': (value) => ({ $in: [/^[5m]/i, value] }),
  $nin: (value) => ({ $nin: ['other', value] }),
  $all: (value) => ({ $all: [value] }),
  '$not of $eq': ($eq) => ({ $not: { $eq } }),
  '$not of $gte': ($gte) => ({ $not: { $gte } }),
  '$not of $in': (value) => ({ $not: { $in: [value] } }),
  '$elemMatch of a value': ($eq) => ({ $elemMatch: { $eq } }),
  '$elemMatch of an order': ($gte) => ({ $elemMatch: { $gte } }),
  '$elemMatch of a negation': ($ne) => ({ $elemMatch: { $ne } }),
  '$elemMatch of a field': (b) => ({ $elemMatch: { b } }),
}

const FIXED: Record<string, unknown> = {
  '$exists true': { $exists: true },
  '$exists false': { $exists: false },
  $size: { $size: 1 },
  $mod: { $mod: [5, 0] },
  $regex: { $regex: '^[5um]' },
  '$not of a pattern': { $not: /^[5um]/ },
  ...Object.fromEntries(
    ['null', 'number', 'string', 'object', 'array', 'bool'].map(($type) => [`$type ${$type}`, { $type }]),
  ),
}

describe('source/mongo/types', () => {
  let client: MongoClient
  let db: ReturnType<typeof freshDatabase>
  let adapter: Adapter
  let documents: Document[]

  before(async function () {
    const server = await mongoOrSkip(this)
    client = new MongoClient(server.url)
    db = freshDatabase(client)
    adapter = mongo(db)
    await db.collection<{ _id: string }>('types').insertMany(DOCUMENTS as never[])
    documents = (await db.collection('types').find({}, { promoteValues: true }).toArray()).map(documentToJson)
  })

  after(async () => {
    await db?.dropDatabase()
    await client?.close()
  })

  const expectAlike = async (field: string, condition: unknown) => {
    const query = { [field]: condition }
    const read: unknown[] = []
    await adapter.read('types', query, (batch) => void read.push(...batch.map(({ _id }) => _id)))
    const matched = documents.filter(matcher(query)).map(({ _id }) => _id)
    expect(read, `${field}: ${JSON.stringify(condition)}`).to.have.members(matched)
  }

  for (const [name, conditionOf] of Object.entries(CONDITIONS)) {
    it(`reads what is matched on changes by ${name}, for a value of each BSON type`, async () => {
      const values = DOCUMENTS.filter(({ _id }) => _id in VALUES).map(
        ({ _id }) => documents.find((document) => document._id === _id)?.a ?? null,
      )
      for (const value of values) {
        await expectAlike('a', conditionOf(value))
        await expectAlike('a.b', conditionOf(value))
      }
    })
  }

  for (const [name, condition] of Object.entries(FIXED)) {
    it(`reads what is matched on changes by ${name}`, async () => {
      await expectAlike('a', condition)
      await expectAlike('a.b', condition)
    })
  }
})
