import type { Document, Json } from '../../model/document.ts'

/**
 * Converts a BSON value to JSON. Recognizes values by their {@link bsonType}, so that any version of the
 * `bson` package works.
 *
 * | BSON | JSON |
 * | --- | --- |
 * | String, Boolean, Null, Object, Array | the same |
 * | Double, Int32 | number; `NaN` and the infinities are `null` |
 * | Int64 (`Long`, `bigint`) | number when it is a safe integer, else a decimal string |
 * | Decimal128 | decimal string |
 * | ObjectId | 24 hex digits |
 * | Date | ISO 8601 string; `null` when it is out of JavaScript's range |
 * | Binary | base64 string; subtype 4 (UUID): the canonical text of the UUID |
 * | Timestamp | `"<seconds>.<increment>"` |
 * | Regular expression | `"/<source>/<flags>"` |
 * | Code | its source; a scope is left out |
 * | Symbol | string |
 * | DBRef | `{ $ref, $id, $db?, ...fields }` |
 * | MinKey, MaxKey | `"MinKey"`, `"MaxKey"` |
 * | Undefined | left out of objects, `null` in arrays |
 *
 * Leaves out a field named `__proto__`: no path can name the field, so that it could not be kept current.
 */
export function bsonToJson(value: unknown): Json {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) ? value : null
    case 'bigint':
      return integer(value)
    case 'object':
      return value === null ? null : objectToJson(value)
    default:
      return null
  }
}

/** Converts a document read from MongoDB to its JSON form. */
export function documentToJson(document: object): Document {
  return plainToJson(document) as Document
}

interface BsonValue {
  readonly [field: string]: unknown
}

/**
 * Returns the name of a BSON class; `undefined` for other values. Reads the name from the prototype, where
 * every version of `bson` keeps it: a document's own field `_bsontype` is data, which any user may write.
 */
export function bsonType(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Object.hasOwn(value, '_bsontype')) return undefined
  const { _bsontype: type } = value as { _bsontype?: unknown }
  return typeof type === 'string' ? type : undefined
}

function integer(value: bigint): Json {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value.toString()
}

function objectToJson(value: object): Json {
  if (Array.isArray(value)) return value.map(bsonToJson)
  if (value instanceof Date) return dateToJson(value)
  if (value instanceof RegExp) return `/${value.source}/${value.flags}`
  if (value instanceof Uint8Array) return base64(value)
  const type = bsonType(value)
  if (type !== undefined) return bsonValueToJson(type, value as BsonValue)
  if (value instanceof Map) return plainToJson(Object.fromEntries(value))
  return plainToJson(value)
}

function plainToJson(value: object): { [key: string]: Json } {
  const result: { [key: string]: Json } = {}
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined && key !== '__proto__') result[key] = bsonToJson(item)
  }
  return result
}

function bsonValueToJson(type: string, value: BsonValue): Json {
  switch (type) {
    case 'ObjectId':
    case 'ObjectID':
      return String(value)
    case 'Int32':
    case 'Double':
      return bsonToJson(Number(value.value))
    case 'Long':
      return integer(BigInt(String(value)))
    case 'Decimal128':
      return String(value)
    case 'Timestamp': {
      const bits = BigInt.asUintN(64, BigInt(String(value)))
      return `${bits >> 32n}.${bits & 0xffffffffn}`
    }
    case 'Binary':
    case 'UUID':
      return binaryToJson(value)
    case 'BSONRegExp':
      return `/${String(value.pattern)}/${String(value.options)}`
    case 'Code':
      return String(value.code)
    case 'BSONSymbol':
    case 'Symbol':
      return String(value.value)
    case 'DBRef':
      return {
        $ref: String(value.collection),
        $id: bsonToJson(value.oid),
        ...(value.db === undefined ? {} : { $db: String(value.db) }),
        ...plainToJson((value.fields as object | undefined) ?? {}),
      }
    case 'MinKey':
    case 'MaxKey':
      return type
    default:
      return String(value)
  }
}

function dateToJson(date: Date): Json {
  return Number.isNaN(date.getTime()) ? null : date.toISOString()
}

function binaryToJson(value: BsonValue): Json {
  const bytes = (value.buffer as Uint8Array).subarray(0, Number(value.position))
  if (value.sub_type !== 4 || bytes.length !== 16) return base64(bytes)
  const hex = Buffer.from(bytes).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}
