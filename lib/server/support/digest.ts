/** What stands for a document whose content is not known. */
export const STALE = -1

/**
 * A number of 53 bits that tells texts apart: equal texts have equal ones, and two different texts the same
 * one by a chance of 2^-53 (cyrb53 by bryc, public domain). It is no protection against somebody who looks
 * for such a pair.
 */
export function digest(text: string): number {
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 2654435761)
    b = Math.imul(b ^ code, 1597334677)
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909)
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909)
  return 4294967296 * (2097151 & b) + (a >>> 0)
}
