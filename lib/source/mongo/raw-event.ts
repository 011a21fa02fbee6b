import type { BSON, ChangeStreamDocument } from 'mongodb'
import { READ_OPTIONS } from './read-options.ts'
import type { ClusterTime } from './time.ts'
import { sizeOf } from './token.ts'

/** Describes the driver's own decoder. */
export type Decoder = Pick<typeof BSON, 'deserialize'>

/** Represents an event of a stream: decoded, or as the server sent it. */
export type StreamEvent = ChangeStreamDocument | RawEvent

const DECODE_OPTIONS = { ...READ_OPTIONS, validation: { utf8: false } }

/** The BSON types of the fields that are read. */
const TEXT = 2
const OBJECT = 3
const DATE = 9
const TIMESTAMP = 17

const [TOKEN, DATA, OPERATION, CLUSTER_TIME, WALL_TIME, NAMESPACE, COLLECTION, TRANSACTION, FRAGMENT] = [
  '_id',
  '_data',
  'operationType',
  'clusterTime',
  'wallTime',
  'ns',
  'coll',
  'txnNumber',
  'splitEvent',
].map((name) => Buffer.from(`${name}\0`)) as [
  Buffer,
  Buffer,
  Buffer,
  Buffer,
  Buffer,
  Buffer,
  Buffer,
  Buffer,
  Buffer,
]

/** The BSON of `{ fragment: 1, of: 1 }`: some servers number also the events that they did not split. */
const ONLY_FRAGMENT = Buffer.from('\x1b\0\0\0\x10fragment\0\x01\0\0\0\x10of\0\x01\0\0\0\0', 'latin1')

/** The operations that change one document. */
const KEYED = ['update', 'insert', 'delete', 'replace'].map((name) => Buffer.from(`${name}\0`))

/** Represents the change of one document. Only its head is read, so that unseen changes are not decoded. */
export class RawEvent {
  readonly operationType = 'raw'
  readonly time: ClusterTime
  /** The time of the write in milliseconds (MongoDB 6.0 and later). */
  readonly wallTime: number | undefined
  readonly collection: string
  readonly bytes: Buffer
  readonly decoder: Decoder
  /** The offset of the resume token's text. */
  readonly #token: number

  private constructor(bytes: Buffer, head: Head, decoder: Decoder) {
    this.bytes = bytes
    this.time = head.time
    this.wallTime = head.wallTime
    this.collection = head.collection
    this.decoder = decoder
    this.#token = head.token
  }

  /** The resume token. */
  get _id(): { readonly _data: string } {
    return { _data: textAt(this.bytes, this.#token) }
  }

  /**
   * Reads the head of a change event. Returns `undefined` for an event that must be decoded at once: one that
   * does not change one document, is part of a transaction, is a fragment, or has a token of several parts.
   */
  static peek(event: Uint8Array, decoder: Decoder): RawEvent | undefined {
    const bytes = Buffer.isBuffer(event)
      ? event
      : Buffer.from(event.buffer, event.byteOffset, event.byteLength)
    const head = headOf(bytes)
    return head && new RawEvent(bytes, head, decoder)
  }
}

interface Head {
  token: number
  time: ClusterTime
  wallTime: number | undefined
  collection: string
}

/** Reads the head. Compares bytes, since a text for each field's name would cost as much as decoding. */
function headOf(bytes: Buffer): Head | undefined {
  let [token, time, wallTime, collection]: [number?, ClusterTime?, number?, string?] = []
  let isKeyed = false
  const end = bytes.length - 1
  for (let at = 4; at < end; ) {
    const type = bytes[at] ?? 0
    const name = at + 1
    const value = endOfName(bytes, name)
    const size = sizeOf(type, bytes, value)
    if (size === undefined || isAt(bytes, name, TRANSACTION)) return undefined
    if (isAt(bytes, name, FRAGMENT) && !isAt(bytes, value, ONLY_FRAGMENT)) return undefined
    if (type === TEXT && isAt(bytes, name, OPERATION))
      isKeyed = KEYED.some((operation) => isAt(bytes, value + 4, operation))
    else if (type === OBJECT && isAt(bytes, name, TOKEN)) token = tokenAt(bytes, value)
    else if (type === OBJECT && isAt(bytes, name, NAMESPACE)) collection = collectionAt(bytes, value)
    else if (type === DATE && isAt(bytes, name, WALL_TIME))
      wallTime = bytes.readUInt32LE(value) + bytes.readInt32LE(value + 4) * 2 ** 32
    else if (type === TIMESTAMP && isAt(bytes, name, CLUSTER_TIME))
      time = { t: bytes.readUInt32LE(value + 4), i: bytes.readUInt32LE(value) }
    at = value + size
  }
  return isKeyed && token !== undefined && time && collection !== undefined
    ? { token, time, wallTime, collection }
    : undefined
}

function isAt(bytes: Buffer, at: number, wanted: Buffer): boolean {
  for (let index = 0; index < wanted.length; index++) if (bytes[at + index] !== wanted[index]) return false
  return true
}

/** Returns the offset after a name and its zero byte. */
function endOfName(bytes: Buffer, at: number): number {
  let end = at
  while (end < bytes.length && bytes[end] !== 0) end++
  return end + 1
}

/** Finds the text of a token that has only `_data`. */
function tokenAt(bytes: Buffer, at: number): number | undefined {
  const value = at + 5 + DATA.length
  const isOne =
    bytes[at + 4] === TEXT &&
    isAt(bytes, at + 5, DATA) &&
    value + 4 + bytes.readInt32LE(value) === at + bytes.readInt32LE(at) - 1
  return isOne ? value : undefined
}

/** Reads the collection of a namespace `{ db, coll }`. */
function collectionAt(bytes: Buffer, start: number): string | undefined {
  const end = start + bytes.readInt32LE(start) - 1
  for (let at = start + 4; at < end && bytes[at] === TEXT; ) {
    const value = endOfName(bytes, at + 1)
    if (isAt(bytes, at + 1, COLLECTION)) return textAt(bytes, value)
    at = value + 4 + bytes.readInt32LE(value)
  }
  return undefined
}

function textAt(bytes: Buffer, at: number): string {
  return bytes.toString('utf8', at + 4, at + 3 + bytes.readInt32LE(at))
}

/** Decodes an event as the driver does with {@link READ_OPTIONS}. */
export function decodeEvent(bytes: Uint8Array, { deserialize }: Decoder): ChangeStreamDocument {
  return deserialize(bytes, DECODE_OPTIONS) as ChangeStreamDocument
}

/** Checks whether an event is decoded. */
export function isDecoded(event: StreamEvent): event is ChangeStreamDocument {
  return event.operationType !== 'raw'
}
