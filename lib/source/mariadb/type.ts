/** Names the groups of types that are read, decoded and compared in the same way. */
export type Kind =
  | 'bigint'
  | 'bit'
  | 'bytes'
  | 'date'
  | 'datetime'
  | 'decimal'
  | 'double'
  | 'enum'
  | 'float'
  | 'inet4'
  | 'inet6'
  | 'integer'
  | 'json'
  | 'set'
  | 'text'
  | 'time'
  | 'timestamp'
  | 'uuid'
  | 'year'

/** Describes a column's type. */
export interface Type {
  readonly kind: Kind
  /** The type as the catalog writes it, for messages. */
  readonly name?: string
  /** The character set and the collation of texts. */
  readonly charset?: string
  readonly collation?: string
  /** The digits of a second's fraction, the bits of a BIT, or the largest number of bytes of a text. */
  readonly size?: number
  /** Marks a number that a read returns with leading zeros. */
  readonly isPadded?: boolean
}

/**
 * Holds a value from the log or from a read: bytes for a BLOB, a BINARY and a BIT (in the log also for an
 * address and a UUID), a text or a number for all other types, `null` for NULL.
 */
export type Cell = string | number | Buffer | null | undefined

/** Describes a type of the catalog: its kind, and its codes in the binary log. */
interface Known {
  kind: Kind
  codes: readonly number[]
}

const BLOB = [252, 249, 250, 251, 140]
const VARYING = [15, 253, 141]
const FIXED = [254]

/** Lists the types by their names in `information_schema.columns.data_type`. */
const KNOWN: Readonly<Record<string, Known>> = {
  tinyint: { kind: 'integer', codes: [1] },
  smallint: { kind: 'integer', codes: [2] },
  mediumint: { kind: 'integer', codes: [9] },
  int: { kind: 'integer', codes: [3] },
  bigint: { kind: 'bigint', codes: [8] },
  float: { kind: 'float', codes: [4] },
  double: { kind: 'double', codes: [5] },
  decimal: { kind: 'decimal', codes: [246] },
  bit: { kind: 'bit', codes: [16] },
  year: { kind: 'year', codes: [13] },
  date: { kind: 'date', codes: [10, 14] },
  time: { kind: 'time', codes: [19] },
  datetime: { kind: 'datetime', codes: [18] },
  timestamp: { kind: 'timestamp', codes: [17] },
  char: { kind: 'text', codes: FIXED },
  varchar: { kind: 'text', codes: VARYING },
  tinytext: { kind: 'text', codes: BLOB },
  text: { kind: 'text', codes: BLOB },
  mediumtext: { kind: 'text', codes: BLOB },
  longtext: { kind: 'text', codes: BLOB },
  binary: { kind: 'bytes', codes: FIXED },
  varbinary: { kind: 'bytes', codes: VARYING },
  vector: { kind: 'bytes', codes: VARYING },
  tinyblob: { kind: 'bytes', codes: BLOB },
  blob: { kind: 'bytes', codes: BLOB },
  mediumblob: { kind: 'bytes', codes: BLOB },
  longblob: { kind: 'bytes', codes: BLOB },
  enum: { kind: 'enum', codes: [247, 254] },
  set: { kind: 'set', codes: [248, 254] },
  uuid: { kind: 'uuid', codes: FIXED },
  inet4: { kind: 'inet4', codes: FIXED },
  inet6: { kind: 'inet6', codes: FIXED },
}

/** The types of geometry. Documents lack their columns. */
const GEOMETRIES: ReadonlySet<string> = new Set([
  ...['geometry', 'point', 'linestring', 'polygon'],
  ...['multipoint', 'multilinestring', 'multipolygon', 'geometrycollection'],
])
const GEOMETRY_CODE = 255

/** Returns the kind of a type of the catalog; `undefined` for geometry and for an unknown type. */
export function kindOf(dataType: string): Kind | undefined {
  return Object.hasOwn(KNOWN, dataType) ? KNOWN[dataType]?.kind : undefined
}

/** Checks for a type of geometry. */
export function isGeometry(dataType: string): boolean {
  return GEOMETRIES.has(dataType)
}

/** Returns the codes that the binary log has for a type of the catalog. */
export function codesOf(dataType: string): readonly number[] {
  if (GEOMETRIES.has(dataType)) return [GEOMETRY_CODE]
  return (Object.hasOwn(KNOWN, dataType) ? KNOWN[dataType]?.codes : undefined) ?? []
}
