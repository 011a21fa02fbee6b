import type { ClusterTime } from './time.ts'

/**
 * Reads the cluster time in a change stream's resume token (`{ _data: <hex> }`); `undefined` for a token of
 * an unknown form.
 *
 * MongoDB's `_data` is a KeyString whose first component is the cluster time: the type byte 82, then seconds
 * and increment, four bytes each, big-endian. SecantusDB's is a BSON document with the cluster time as its
 * Timestamp `t`. Neither the driver nor `bson` has a parser of KeyStrings, so that this file reads the bytes.
 */
export function tokenTime(token: unknown): ClusterTime | undefined {
  if (typeof token !== 'object' || token === null) return undefined
  const data: unknown = (token as { _data?: unknown })._data
  if (typeof data !== 'string' || !/^(?:[0-9a-f]{2})+$/i.test(data)) return undefined
  const bytes = Buffer.from(data, 'hex')
  if (bytes.length === bytesOfDocument(bytes)) return timeOfDocument(bytes)
  if (bytes[0] === 0x82 && bytes.length >= 9) return { t: bytes.readUInt32BE(1), i: bytes.readUInt32BE(5) }
  return undefined
}

function bytesOfDocument(bytes: Buffer): number {
  return bytes.length >= 5 && bytes[bytes.length - 1] === 0 ? bytes.readInt32LE(0) : -1
}

/** The sizes of BSON types with a fixed size, in bytes. */
const FIXED_SIZES: Readonly<Record<number, number>> = {
  1: 8,
  7: 12,
  8: 1,
  9: 8,
  10: 0,
  16: 4,
  17: 8,
  18: 8,
  19: 16,
}

/** Finds the top-level Timestamp `t` by walking over the elements, so that no BSON library is needed. */
function timeOfDocument(bytes: Buffer): ClusterTime | undefined {
  let at = 4
  while (at < bytes.length - 1) {
    const type = bytes[at] ?? 0
    const end = bytes.indexOf(0, at + 1)
    if (end < 0) return undefined
    const name = bytes.toString('utf8', at + 1, end)
    at = end + 1
    const size = sizeOf(type, bytes, at)
    if (size === undefined || at + size > bytes.length) return undefined
    if (type === 17 && name === 't') return { t: bytes.readUInt32LE(at + 4), i: bytes.readUInt32LE(at) }
    at += size
  }
  return undefined
}

/** Returns the bytes of a BSON value; `undefined` for types that neither tokens nor heads of events have. */
export function sizeOf(type: number, bytes: Buffer, at: number): number | undefined {
  const fixed = FIXED_SIZES[type]
  if (fixed !== undefined) return fixed
  if (at + 4 > bytes.length) return undefined
  const length = bytes.readInt32LE(at)
  if (length < 0) return undefined
  if (type === 2) return length + 4
  if (type === 3 || type === 4) return length
  if (type === 5) return length + 5
  return undefined
}
