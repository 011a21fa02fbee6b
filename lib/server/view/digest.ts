import type { Json } from '../../model/document.ts'

/** The digest of a document whose content is not known. */
export const STALE = -1

/**
 * Computes a number of 53 bits from the JSON of a value, as {@link digestOf} does.
 */
export function digest(value: Json): number {
  const { buffer, byteOffset, length } = Buffer.from(JSON.stringify(value))
  return digestOf(new DataView(buffer, byteOffset, length), 0, length)
}

/**
 * Computes a number of 53 bits from bytes. Two different texts have the same digest with a chance of 2^-53.
 * The digest is no protection against an attacker who searches for such a pair. Snapshots have the bytes of
 * each document anyway: to walk its fields instead took a sixth of the CPU time of a snapshot, and this takes
 * a thirtieth.
 */
export function digestOf(bytes: DataView, from: number, to: number): number {
  // Keeps two sums, and mixes them at the end as cyrb53 does (by bryc, public domain). They rotate by
  // different numbers of bits. Otherwise the highest bits of two words could cancel each other out.
  let a = 0xdeadbeef | 0
  let b = 0x41c6ce57
  const words = to - ((to - from) & 3)
  for (let at = from; at < to; at += at < words ? 4 : 1) {
    const word = at < words ? bytes.getInt32(at) : bytes.getUint8(at)
    a = Math.imul(((a << 13) | (a >>> 19)) ^ word, -1640531535)
    b = Math.imul(((b << 17) | (b >>> 15)) ^ word, 1597334677)
  }
  a ^= to - from
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909)
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909)
  return 4294967296 * (2097151 & b) + (a >>> 0)
}
