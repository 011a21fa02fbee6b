import type { Cells, Column } from './table.ts'

/** Describes a table, as the stream reports it before its first change and after each alteration. */
export interface Relation {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly columns: readonly Column[]
  /** Marks the columns that identify a row. */
  readonly identifying: readonly boolean[]
  /** Marks a table whose primary key identifies rows (`REPLICA IDENTITY DEFAULT`). */
  readonly byKey: boolean
}

/** Describes the change of a row. A cell that TOAST left unchanged is `undefined`. */
export interface RowCells {
  /** The row before the change: only the identifying cells, or all cells. */
  readonly old?: { readonly full: boolean; readonly cells: Cells } | undefined
  /** The row after the change. */
  readonly cells?: Cells | undefined
}

/** Represents the change of a row, whose cells are decoded on demand. */
export interface RowMessage {
  readonly tag: 'insert' | 'update' | 'delete'
  readonly relation: Relation
  readonly bytes: Buffer
}

/** Represents a message of the output plugin `pgoutput`, protocol version 1. */
export type Message =
  | { tag: 'begin'; lsn: bigint; time: number; xid: number }
  | { tag: 'commit'; end: bigint }
  | RowMessage
  | { tag: 'truncate'; relations: Relation[] }
  | { tag: 'message'; prefix: string; content: string }
  /** Describes a relation: before its first change, and before the next change after an alteration. */
  | { tag: 'relation' }
  | { tag: 'other' }

/** PostgreSQL counts microseconds from the year 2000. */
const EPOCH_MS = 946_684_800_000

/**
 * Reads messages. (The parser of `pg-logical-replication` hands values over as JavaScript's, by the process's
 * own type parsers, and drops a U+FEFF that a text begins with: here every value stays the text that
 * PostgreSQL wrote.)
 */
export class Decoder {
  readonly #relations = new Map<number, Relation>()

  decode(bytes: Buffer): Message {
    const reader = new Reader(bytes)
    switch (String.fromCharCode(reader.byte())) {
      case 'B':
        return {
          tag: 'begin',
          lsn: reader.uint64(),
          time: Math.floor(Number(reader.int64()) / 1000) + EPOCH_MS,
          xid: reader.uint32(),
        }
      case 'C':
        reader.skip(9)
        return { tag: 'commit', end: reader.uint64() }
      case 'R':
        this.#relation(reader)
        return { tag: 'relation' }
      case 'I':
        return this.#row('insert', reader, bytes)
      case 'U':
        return this.#row('update', reader, bytes)
      case 'D':
        return this.#row('delete', reader, bytes)
      case 'T': {
        const count = reader.uint32()
        reader.skip(1)
        return { tag: 'truncate', relations: Array.from({ length: count }, () => this.#known(reader)) }
      }
      case 'M': {
        reader.skip(9)
        return { tag: 'message', prefix: reader.name(), content: reader.text(reader.uint32()) }
      }
      default:
        return { tag: 'other' }
    }
  }

  /** Copies the bytes, since `pg` writes the next messages to the same memory. */
  #row(tag: RowMessage['tag'], reader: Reader, bytes: Buffer): RowMessage {
    return { tag, relation: this.#known(reader), bytes: Buffer.from(bytes) }
  }

  #relation(reader: Reader): void {
    const oid = reader.uint32()
    const [schema, name] = [reader.name(), reader.name()]
    const byKey = reader.byte() === 0x64
    const columns: Column[] = []
    const identifying: boolean[] = []
    for (let count = reader.uint16(); count > 0; count--) {
      identifying.push((reader.byte() & 1) === 1)
      columns.push({ name: reader.name(), oid: reader.uint32() })
      reader.skip(4)
    }
    this.#relations.set(oid, { oid, schema: schema || 'pg_catalog', name, columns, identifying, byKey })
  }

  #known(reader: Reader): Relation {
    const oid = reader.uint32()
    const relation = this.#relations.get(oid)
    if (!relation) throw new Error(`The server sent a change of the relation ${oid} without its description`)
    return relation
  }
}

/** The offset of the rows in a message: after its tag and the oid of its relation. */
const ROWS_AT = 5
const [OLD_ROW, OLD_KEY, NEW_ROW] = [0x4f, 0x4b, 0x4e]
const [TEXT, NULL, UNCHANGED] = [0x74, 0x6e, 0x75]

/** Decodes the rows of a message. */
export function rowCells(bytes: Buffer): RowCells {
  const reader = new Reader(bytes, ROWS_AT)
  let kind = reader.byte()
  let old: RowCells['old']
  if (kind === OLD_ROW || kind === OLD_KEY) {
    old = { full: kind === OLD_ROW, cells: reader.cells() }
    if (reader.isAtEnd) return { old }
    kind = reader.byte()
  }
  if (kind !== NEW_ROW) throw new Error(`The server sent a row of an unknown form (${kind})`)
  return { old, cells: reader.cells() }
}

/** Checks, without decoding, that a message has a row after the change alone, with all of its cells. */
export function isWhole(bytes: Buffer): boolean {
  const reader = new Reader(bytes, ROWS_AT)
  if (reader.byte() !== NEW_ROW) return false
  for (let count = reader.uint16(); count > 0; count--) {
    const kind = reader.byte()
    if (kind === TEXT) reader.skip(reader.uint32())
    else if (kind !== NULL) return false
  }
  return true
}

class Reader {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes
    this.#at = at
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  skip(count: number): void {
    this.#at += count
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#at++)
  }

  uint16(): number {
    this.#at += 2
    return this.#bytes.readUInt16BE(this.#at - 2)
  }

  uint32(): number {
    this.#at += 4
    return this.#bytes.readUInt32BE(this.#at - 4)
  }

  uint64(): bigint {
    this.#at += 8
    return this.#bytes.readBigUInt64BE(this.#at - 8)
  }

  int64(): bigint {
    return BigInt.asIntN(64, this.uint64())
  }

  text(length: number): string {
    this.#at += length
    if (this.#at > this.#bytes.length) throw new RangeError('A message of the server ends too early')
    return this.#bytes.toString('utf8', this.#at - length, this.#at)
  }

  /** Reads a text that ends with a zero byte. */
  name(): string {
    const end = this.#bytes.indexOf(0, this.#at)
    if (end < 0) throw new RangeError('A message of the server ends too early')
    const text = this.text(end - this.#at)
    this.#at++
    return text
  }

  cells(): Cells {
    const cells: (string | null | undefined)[] = []
    for (let count = this.uint16(); count > 0; count--) {
      const kind = this.byte()
      if (kind === TEXT) cells.push(this.text(this.uint32()))
      else if (kind === NULL) cells.push(null)
      else if (kind === UNCHANGED) cells.push(undefined)
      else throw new Error(`The server sent a value of an unknown form (${kind})`)
    }
    return cells
  }
}
