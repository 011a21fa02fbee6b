import { Binary, Decimal128, Long, ObjectId, UUID } from 'mongodb'

const OID = new ObjectId('5f0c3a1b2c3d4e5f60718293')
const OTHER = new ObjectId('5f0c3a1b2c3d4e5f60718294')
const NOON = new Date('2024-05-06T12:00:00.000Z')
const LATER = new Date('2024-05-07T00:00:00.000Z')
const KEY = new UUID('01234567-89ab-4def-8123-456789abcdef')

/** Documents by their `_id`. */
export const DOCUMENTS: Record<string, object> = {
  none: {},
  nil: { a: null },
  zero: { a: 0 },
  one: { a: 1 },
  half: { a: 1.5 },
  five: { a: 5, b: 'x' },
  text: { a: 'five' },
  digits: { a: '5' },
  empty: { a: '' },
  upper: { a: 'FIVE\nsix' },
  yes: { a: true },
  no: { a: false },
  long: { a: Long.fromNumber(5) },
  huge: { a: Long.fromString('9007199254740993') },
  decimal: { a: Decimal128.fromString('5') },
  oid: { a: OID },
  oid2: { a: OTHER },
  date: { a: NOON },
  date2: { a: LATER },
  uuid: { a: KEY },
  binary: { a: new Binary(Buffer.from('hello'), 0) },
  list: { a: [1, 5, 9] },
  list0: { a: [] },
  listnil: { a: [null, 1] },
  listlist: { a: [[1, 5, 9], 7] },
  texts: { a: ['five', 'six'] },
  dates: { a: [NOON, LATER] },
  oids: { a: [OID, OTHER] },
  sub: { a: { b: 1 } },
  sub2: { a: { b: 1, c: 2 } },
  sub2b: { a: { c: 2, b: 1 } },
  subnil: { a: { b: null } },
  sub0: { a: {} },
  sublist: { a: { b: [1, 2] } },
  subs: {
    a: [
      { b: 1, c: 2 },
      { b: 5, c: 6 },
    ],
  },
  subs2: {
    a: [
      { b: 1, c: 6 },
      { b: 5, c: 2 },
    ],
  },
  subsmixed: { a: [{ b: 1 }, { c: 1 }, 5] },
  subsnil: { a: [{ b: null }, { b: 3 }] },
  deep: { a: [{ b: [{ c: 1 }, { c: 2 }] }, { b: [{ c: 3 }] }] },
  digit: { a: { 0: 5 } },
}

export const QUERIES: Record<string, Record<string, unknown>> = {
  // Types.
  'a number': { a: 5 },
  'a number that is zero': { a: 0 },
  'a text': { a: 'five' },
  'a text of digits': { a: '5' },
  'an empty text': { a: '' },
  true: { a: true },
  false: { a: false },
  'a large integer': { a: Long.fromString('9007199254740993') },
  'a decimal': { a: Decimal128.fromString('5') },
  '$gt of a number': { a: { $gt: 1 } },
  '$gte of a number': { a: { $gte: 1 } },
  '$lt of a number': { a: { $lt: 2 } },
  '$lte of a number': { a: { $lte: 1 } },
  '$gt of a text': { a: { $gt: 'a' } },
  '$lt of a text': { a: { $lt: 'a' } },
  '$gte of a boolean': { a: { $gte: false } },
  '$gt and $lt': { a: { $gt: 1, $lt: 5 } },
  '$gt and $lt that no element holds both': { a: { $gt: 5, $lt: 2 } },
  '$type number': { a: { $type: 'number' } },
  '$type string': { a: { $type: 'string' } },
  '$type array': { a: { $type: 'array' } },
  '$type object': { a: { $type: 'object' } },
  '$type null': { a: { $type: 'null' } },
  '$type bool': { a: { $type: 'bool' } },
  '$type date': { a: { $type: 'date' } },
  '$type objectId': { a: { $type: 'objectId' } },
  '$ne of a number': { a: { $ne: 5 } },
  '$eq of a number': { a: { $eq: 5 } },
  // Null and missing.
  null: { a: null },
  '$eq null': { a: { $eq: null } },
  '$ne null': { a: { $ne: null } },
  '$in with null': { a: { $in: [null, 0] } },
  '$nin with null': { a: { $nin: [null, 0] } },
  '$gte null': { a: { $gte: null } },
  '$lte null': { a: { $lte: null } },
  '$gt null': { a: { $gt: null } },
  '$exists true': { a: { $exists: true } },
  '$exists false': { a: { $exists: false } },
  '$exists true below': { 'a.b': { $exists: true } },
  '$exists false below': { 'a.b': { $exists: false } },
  'null below': { 'a.b': null },
  '$ne null below': { 'a.b': { $ne: null } },
  '$in with null below': { 'a.b': { $in: [null, 3] } },
  'null and exists': { a: { $eq: null, $exists: true } },
  '$not of $exists': { a: { $not: { $exists: true } } },
  // Lists of values.
  $in: { a: { $in: [1, 'five', true] } },
  'an empty $in': { a: { $in: [] } },
  'an empty $nin': { a: { $nin: [] } },
  '$in with a list': { a: { $in: [[1, 5, 9]] } },
  '$in with a pattern': { a: { $in: [/^fi/, 1] } },
  '$nin with a pattern': { a: { $nin: [/^fi/, 1] } },
  // Arrays.
  'a whole array': { a: [1, 5, 9] },
  'an array in another order': { a: [5, 1, 9] },
  'an empty array': { a: [] },
  'an array of null': { a: [null, 1] },
  '$eq of an array': { a: { $eq: [1, 5, 9] } },
  '$ne of an array': { a: { $ne: [1, 5, 9] } },
  '$gt of an array': { a: { $gt: [1, 5] } },
  '$lt of an array': { a: { $lt: [1, 6] } },
  'a position': { 'a.0': 1 },
  'a position, or a field of that name': { 'a.0': 5 },
  'a position beyond the end': { 'a.7': { $exists: true } },
  'a position of a sub-document': { 'a.1.b': 5 },
  'null at a position': { 'a.0': null },
  $size: { a: { $size: 2 } },
  '$size 0': { a: { $size: 0 } },
  $all: { a: { $all: [5, 1] } },
  '$all of one value': { a: { $all: [5] } },
  '$all of a list': { a: { $all: [[1, 5, 9]] } },
  'an empty $all': { a: { $all: [] } },
  '$all with null': { a: { $all: [null] } },
  '$all of $elemMatch': { a: { $all: [{ $elemMatch: { b: 1, c: 2 } }, { $elemMatch: { b: 5 } }] } },
  '$all with a pattern': { a: { $all: [/^fi/, 'six'] } },
  '$elemMatch of conditions': { a: { $elemMatch: { $gt: 1, $lt: 6 } } },
  '$elemMatch of fields': { a: { $elemMatch: { b: 1, c: 2 } } },
  '$elemMatch of a field that is null': { a: { $elemMatch: { b: null } } },
  '$elemMatch of $exists': { a: { $elemMatch: { b: { $exists: false } } } },
  '$elemMatch of $ne': { a: { $elemMatch: { $ne: 5 } } },
  '$elemMatch of $eq null': { a: { $elemMatch: { $eq: null } } },
  '$elemMatch of $in': { a: { $elemMatch: { $in: [5, 'six'] } } },
  '$elemMatch of nothing': { a: { $elemMatch: {} } },
  '$elemMatch of $or': { a: { $elemMatch: { $or: [{ b: 5 }, { c: 1 }] } } },
  '$elemMatch within $elemMatch': { a: { $elemMatch: { b: { $elemMatch: { c: 2 } } } } },
  '$elemMatch of a nested array': { a: { $elemMatch: { $elemMatch: { $gt: 8 } } } },
  '$not of $elemMatch': { a: { $not: { $elemMatch: { b: 1, c: 2 } } } },
  '$elemMatch of a position': { a: { $elemMatch: { 0: 1 } } },
  // Paths.
  'a field below': { 'a.b': 1 },
  'a field below, in lists': { 'a.b': 5 },
  'two fields below': { 'a.b': 1, 'a.c': 2 },
  '$ne below': { 'a.b': { $ne: 1 } },
  '$in below': { 'a.b': { $in: [2, 3] } },
  '$nin below': { 'a.b': { $nin: [1, 3] } },
  '$gt below': { 'a.b': { $gt: 2 } },
  '$size below': { 'a.b': { $size: 2 } },
  '$all below': { 'a.b': { $all: [1, 5] } },
  '$elemMatch below': { 'a.b': { $elemMatch: { c: 2 } } },
  'a path through two lists': { 'a.b.c': 3 },
  '$ne through two lists': { 'a.b.c': { $ne: 3 } },
  'an array through a list': { 'a.b': [1, 2] },
  'a path through a scalar': { 'a.b.c.d': null },
  // Objects.
  'an object': { a: { b: 1 } },
  'an object of two fields': { a: { b: 1, c: 2 } },
  'an object in another order': { a: { c: 2, b: 1 } },
  'an empty object': { a: {} },
  '$ne of an object': { a: { $ne: { b: 1 } } },
  '$in with an object': { a: { $in: [{ b: 1 }] } },
  '$gt of an object': { a: { $gt: { b: 1 } } },
  // Regular expressions.
  'a pattern': { a: /^f/ },
  'a pattern without case': { a: /^f/i },
  'a pattern over lines': { a: /^six/m },
  'a pattern where a dot is a line too': { a: /five.six/is },
  $regex: { a: { $regex: '^f' } },
  '$regex with $options': { a: { $regex: 'IVE$', $options: 'im' } },
  '$not of a pattern': { a: { $not: /^f/ } },
  '$not of $regex': { a: { $not: { $regex: '^f' } } },
  'a pattern of digits': { a: /5/ },
  'a pattern of 2024': { a: /2024/ },
  // $mod.
  $mod: { a: { $mod: [4, 1] } },
  '$mod 0': { a: { $mod: [5, 0] } },
  // $not, $and, $or, $nor.
  '$not of $gt': { a: { $not: { $gt: 1 } } },
  '$not of $eq null': { a: { $not: { $eq: null } } },
  '$not of $in': { a: { $not: { $in: [1, null] } } },
  '$not of $size': { a: { $not: { $size: 2 } } },
  '$not of two': { a: { $not: { $gt: 1, $lt: 6 } } },
  '$not below': { 'a.b': { $not: { $gt: 2 } } },
  $and: { $and: [{ a: { $gt: 1 } }, { a: { $lt: 6 } }] },
  $or: { $or: [{ a: 1 }, { b: 'x' }] },
  $nor: { $nor: [{ a: { $gt: 1 } }, { a: null }] },
  // Dates.
  'a date': { a: NOON },
  '$gt of a date': { a: { $gt: NOON } },
  '$lte of a date': { a: { $lte: NOON } },
  '$gt of an early date': { a: { $gt: new Date('2020-01-01') } },
  '$ne of a date': { a: { $ne: NOON } },
  '$in of dates': { a: { $in: [NOON, LATER] } },
  '$gt of the text of a date': { a: { $gt: NOON.toISOString() } },
  '$lte of the text of a date': { a: { $lte: NOON.toISOString() } },
  // ObjectIds and binaries.
  'an ObjectId': { a: OID },
  '$in of ObjectIds': { a: { $in: [OID, null] } },
  '$ne of an ObjectId': { a: { $ne: OID } },
  '$gt of an ObjectId': { a: { $gt: OID } },
  '$gt of the text of an ObjectId': { a: { $gt: OID.toHexString() } },
  'a UUID': { a: KEY },
  'a binary': { a: new Binary(Buffer.from('hello'), 0) },
}

/**
 * Where the two disagree: what the matcher finds besides, what it leaves out, what a reading of
 * SecantusDB can't find (ids, in one text), why, and which of them MongoDB's manual is with.
 */
export interface Difference {
  more?: string
  less?: string
  unread?: string
  why: string
  right: 'matcher' | 'server'
}

const TEXTS = 'huge decimal oid oid2 date date2 uuid binary dates oids'
const FORM = { right: 'server' } as const

/**
 * Values are matched in their JSON form, which is what every source has: there a Decimal128 and a large Int64 are texts, as are dates, ObjectIds and
 * binaries. They are found by their own values; in orders, patterns and types they are with the texts.
 */
const BY_FORM: Record<string, Difference> = {
  'a number': { less: 'decimal', why: 'A Decimal128 is a text.', ...FORM },
  '$eq of a number': { less: 'decimal', why: 'A Decimal128 is a text.', ...FORM },
  '$all of one value': { less: 'decimal', why: 'A Decimal128 is a text.', ...FORM },
  '$ne of a number': { more: 'decimal', why: 'A Decimal128 is a text.', ...FORM },
  $mod: { less: 'decimal', why: 'A Decimal128 is a text.', ...FORM },
  '$mod 0': { less: 'decimal', why: 'A Decimal128 is a text.', ...FORM },
  $and: { less: 'decimal', why: 'A Decimal128 is a text.', ...FORM },
  '$not of two': { more: 'decimal', why: 'A Decimal128 is a text.', ...FORM },
  'a text of digits': { more: 'decimal', why: 'A Decimal128 is a text.', ...FORM },
  'a decimal': {
    more: 'digits',
    less: 'five long list subsmixed',
    why: 'A Decimal128 is a text, and equal to no number.',
    ...FORM,
  },
  '$gt of a number': { less: 'huge decimal', why: 'A large Int64 is a text.', ...FORM },
  '$gte of a number': { less: 'huge decimal', why: 'A large Int64 is a text.', ...FORM },
  '$type number': { less: 'huge decimal', why: 'A large Int64 is a text.', ...FORM },
  '$not of $gt': { more: 'huge decimal', why: 'A large Int64 is a text.', ...FORM },
  $nor: { more: 'huge decimal', why: 'A large Int64 is a text.', ...FORM },
  '$type date': { less: 'date date2 dates', why: 'A date is a text.', ...FORM },
  '$type objectId': { less: 'oid oid2 oids', why: 'An ObjectId is a text.', ...FORM },
  '$type string': { more: TEXTS, why: 'They are texts.', ...FORM },
  '$gt of a text': { more: 'binary', why: 'They are texts.', ...FORM },
  '$lt of a text': asText('huge decimal oid oid2 date date2 uuid dates oids'),
  '$gt of the text of a date': asText('huge decimal oid oid2 date2 binary dates oids'),
  '$lte of the text of a date': asText('date uuid dates'),
  '$gt of the text of an ObjectId': asText('huge oid2 binary oids'),
  'a pattern of digits': asText('huge decimal oid oid2 date date2 uuid dates oids'),
  'a pattern of 2024': asText('date date2 dates'),
  '$gt of a date': asText('text digits upper huge decimal oid oid2 binary texts oids'),
  '$gt of an early date': asText('text digits upper huge decimal oid oid2 binary texts oids'),
  '$lte of a date': asText('empty uuid'),
  '$gt of an ObjectId': asText('text upper huge binary texts'),
}

/** What SecantusDB does otherwise than MongoDB; a mongod agrees with the matcher. */
const BY_SECANTUS: Record<string, Difference> = {
  'null at a position': {
    less: 'list0',
    why: 'An array that ends before the position has nothing there that could be null; only $exists says so.',
    right: 'matcher',
  },
  '$all of a list': { more: 'list', why: '$all of a list is $and of equalities.', right: 'matcher' },
  '$all with null': { more: 'none', why: '$all of a null is an equality with null.', right: 'matcher' },
  '$all below': { more: 'subs subs2', why: '$all is $and of equalities.', right: 'matcher' },
  '$elemMatch of a field that is null': elements('listlist'),
  '$elemMatch of $exists': elements('listlist'),
  '$elemMatch of a position': { ...elements('listlist'), unread: 'listlist' },
  '$elemMatch of $or': { ...elements('subs subs2 subsmixed'), why: 'SecantusDB refuses $or there.' },
  'a pattern where a dot is a line too': {
    more: 'upper',
    unread: 'upper',
    why: 'SecantusDB does not know the option s.',
    right: 'matcher',
  },
}

export const DIFFERENCES: Record<string, Difference> = { ...BY_FORM, ...BY_SECANTUS }

function asText(ids: string): Difference {
  return { more: ids, why: 'What is a text in JSON is in the order of texts.', ...FORM }
}

function elements(ids: string): Difference {
  return {
    more: ids,
    why: 'An element that is an array is an object, of positions.',
    right: 'matcher',
  }
}
