import type { Binary } from 'mongodb'
import type { Json } from '../../model/document.ts'
import { isPlain } from '../../policy/query.ts'
import { bsonToJson, bsonType } from './bson.ts'

/**
 * Describes the driver's classes for a conversion from JSON to BSON: `await import('mongodb')` has all of
 * them.
 */
export type BsonClasses = Pick<typeof import('mongodb'), 'Binary' | 'Decimal128' | 'Long' | 'ObjectId'>

/**
 * Bound the Dates that have a text in JSON, and that every server of the wire protocol accepts. Between the
 * two, the texts are in the order of the Dates.
 */
export const FIRST_DATE = new Date('0001-01-01T00:00:00.000Z')
export const LAST_DATE = new Date('9999-12-31T23:59:59.999Z')

const OBJECT_ID = /^[0-9a-f]{24}$/
const ISO_DATE = /^(?:\d{4}|[+-]\d{6})-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const INTEGER = /^-?[1-9]\d{15,18}$/
const DECIMAL = /^-?(?:\d+(?:\.\d+)?(?:E[+-]?\d+)?|Infinity|NaN)$/
const TIMESTAMP = /^\d+\.\d+$/
const PATTERN = /^\/.*\/[a-z]*$/s
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/**
 * Returns the BSON values with the JSON form of a query's value, the value itself first: the JSON form
 * doesn't distinguish the string `5f0c...` from the ObjectId. A string may be an ObjectId, a Date, a UUID or
 * an Int64 past the safe integers. In objects and arrays, either no string is converted or each one that can
 * be.
 */
function bsonCandidates(value: unknown, classes: BsonClasses): unknown[] {
  if (typeof value === 'string') return [value, ...stringCandidates(value, classes)]
  if (!isPlain(value) && !Array.isArray(value)) return [value]
  const converted = convertAll(value, classes)
  return (converted === value ? [value] : [value, converted]).map(writable)
}

/** Describes a search on the server for all BSON values of a JSON value. */
export interface ReadCandidates {
  values: unknown[]
  /** BSON's types whose values must all be read. */
  types: (string | number)[]
  /** Bounds of the Binaries that may have the JSON form. */
  binaries?: { $gte: Binary; $lte: Binary }
}

/**
 * Returns the BSON values with this JSON form: by value if they can be listed, else by type. A Binary may
 * have any subtype, so that all of its length are read, and a Decimal128 any number of zeros.
 */
export function readCandidates(value: unknown, classes: BsonClasses): ReadCandidates {
  if (value === null) return { values: [null, Number.NaN, Infinity, -Infinity], types: [6] }
  if (typeof value === 'string') {
    const binaries = binariesOf(value, classes)
    return { values: [value, ...stringCandidates(value, classes)], types: typesOf(value), ...binaries }
  }
  if (bsonType(value) !== undefined || value instanceof Date)
    return readCandidates(bsonToJson(value), classes)
  if (!isPlain(value) && !Array.isArray(value)) return { values: [value], types: [] }
  if (isSimple(value)) return { values: [writable(value)], types: [] }
  // Searches all arrays or objects: each value within may have a type of its own.
  return { values: [], types: [Array.isArray(value) ? 'array' : 'object'] }
}

/** Returns the BSON values with this JSON form for which the server finds no other values. */
export function sameInJson(value: unknown, classes: BsonClasses): unknown[] {
  if (typeof value !== 'string') return typeof value === 'object' && value !== null ? [] : [value]
  return [value, ...(INTEGER.test(value) ? [] : stringCandidates(value, classes))]
}

/** Checks for a text that may belong to another BSON type. */
export function isShaped(text: string): boolean {
  return (
    [OBJECT_ID, UUID, ISO_DATE, INTEGER, BASE64].some((shape) => shape.test(text)) || typesOf(text).length > 0
  )
}

function typesOf(text: string): string[] {
  const types: string[] = []
  if (DECIMAL.test(text)) types.push('decimal')
  if (TIMESTAMP.test(text)) types.push('timestamp')
  if (PATTERN.test(text)) types.push('regex')
  if (text === 'MinKey' || text === 'MaxKey') types.push(text === 'MinKey' ? 'minKey' : 'maxKey')
  return types
}

/**
 * Returns the bounds of the Binaries whose text this is, if there can be any: a Binary is compared by its
 * length first, and by its subtype next.
 */
function binariesOf(text: string, { Binary }: BsonClasses): Pick<ReadCandidates, 'binaries'> {
  const bytes = BASE64.test(text) ? Buffer.from(text, 'base64') : undefined
  if (bytes?.toString('base64') !== text) return {}
  const bound = (byte: number) => new Binary(Buffer.alloc(bytes.length, byte), byte)
  return { binaries: { $gte: bound(0), $lte: bound(255) } }
}

/** Checks that no value within may belong to another BSON type. */
function isSimple(value: unknown): boolean {
  if (typeof value === 'string') return !isShaped(value)
  if (typeof value !== 'object') return true
  return value !== null && Object.values(value).every(isSimple)
}

/**
 * Converts a value for the driver: an object with a field named `_bsontype` becomes a Map, because the driver
 * takes the object for one of its classes and refuses it.
 */
function writable(value: unknown): unknown {
  if (!isPlain(value) && !Array.isArray(value)) return value
  if (Array.isArray(value)) return value.map(writable)
  const entries = Object.entries(value).map(([key, item]) => [key, writable(item)] as const)
  return Object.hasOwn(value, '_bsontype') ? new Map(entries) : Object.fromEntries(entries)
}

/**
 * Returns the `_id`s, in any BSON form, for ids in JSON form: those of queries, and Decimal128 and Binary.
 */
export function idCandidates(ids: readonly Json[], classes: BsonClasses): unknown[] {
  return ids.flatMap((id) => [
    ...bsonCandidates(id, classes),
    ...(typeof id === 'string' ? rare(id, classes) : []),
  ])
}

/** Adds rare types, except in queries: they would double the lookup of every number and every fourth word. */
function rare(text: string, classes: BsonClasses): unknown[] {
  const found: unknown[] = text.length <= 43 && DECIMAL.test(text) ? decimals(text, classes) : []
  if (text.length > 0 && BASE64.test(text)) found.push(new classes.Binary(Buffer.from(text, 'base64'), 0))
  return found
}

function stringCandidates(text: string, classes: BsonClasses): unknown[] {
  if (OBJECT_ID.test(text)) return [new classes.ObjectId(text)]
  if (UUID.test(text)) return [new classes.Binary(Buffer.from(text.replaceAll('-', ''), 'hex'), 4)]
  if (ISO_DATE.test(text)) return dates(text)
  return INTEGER.test(text) ? longs(text, classes) : []
}

function dates(text: string): unknown[] {
  const date = new Date(text)
  return Number.isNaN(date.getTime()) || date.toISOString() !== text ? [] : [date]
}

function longs(text: string, classes: BsonClasses): unknown[] {
  const value = BigInt(text)
  if (BigInt.asIntN(64, value) !== value || Number.isSafeInteger(Number(value))) return []
  return [classes.Long.fromBigInt(value)]
}

function decimals(text: string, classes: BsonClasses): unknown[] {
  try {
    return [classes.Decimal128.fromString(text)]
  } catch {
    return []
  }
}

function convertAll(value: unknown, classes: BsonClasses): unknown {
  if (typeof value === 'string') return stringCandidates(value, classes)[0] ?? value
  if (!isPlain(value) && !Array.isArray(value)) return value
  if (Array.isArray(value)) {
    const items = value.map((item) => convertAll(item, classes))
    return items.some((item, index) => item !== value[index]) ? items : value
  }
  const entries = Object.entries(value)
  const converted = entries.map(([key, item]) => [key, convertAll(item, classes)] as const)
  return converted.some(([, item], index) => item !== entries[index]?.[1])
    ? Object.fromEntries(converted)
    : value
}
