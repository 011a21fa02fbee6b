import type { Json } from '../../model/document.ts'
import type { JsonObject } from '../../model/json.ts'

/** The digest of a document whose content is not known. */
export const STALE = -1

const SEED_A = 0xdeadbeef
const SEED_B = 0x41c6ce57

/**
 * Two running sums of 32 bits, mixed as cyrb53 does (by bryc, public domain). One pair is enough, since a
 * digest is computed without a pause.
 */
let a = 0
let b = 0

/**
 * Computes a number of 53 bits from a value. Equal values have equal digests, whatever the order of their
 * fields. Two different values have the same digest with a chance of 2^-53. The digest is no protection
 * against an attacker who searches for such a pair.
 */
export function digest(value: Json): number {
  begin()
  add(value)
  end()
  return 4294967296 * (2097151 & b) + (a >>> 0)
}

function begin(): void {
  a = SEED_A
  b = SEED_B
}

function mix(number: number): void {
  a = Math.imul(a ^ number, 2654435761)
  b = Math.imul(b ^ number, 1597334677)
}

function end(): void {
  const mixed = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909)
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(mixed ^ (mixed >>> 13), 3266489909)
  a = mixed
}

function addText(text: string): void {
  mix(text.length)
  // Uses local variables, which are faster.
  let [sumA, sumB] = [a, b]
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    sumA = Math.imul(sumA ^ code, 2654435761)
    sumB = Math.imul(sumB ^ code, 1597334677)
  }
  a = sumA
  b = sumB
}

/** Adds a value as JSON would carry it. The first number states its type. */
function add(value: Json | undefined): void {
  if (typeof value === 'string') {
    mix(1)
    addText(value)
  } else if (typeof value === 'number') {
    mix(2)
    addText(`${value}`)
  } else if (typeof value === 'boolean') mix(value ? 3 : 4)
  else if (value === null || value === undefined) mix(5)
  else if (Array.isArray(value)) {
    mix(6)
    mix(value.length)
    for (const element of value) add(element)
  } else addFields(value)
}

/** Adds the sum of the fields' digests, which does not depend on the order of the fields. */
function addFields(fields: JsonObject): void {
  const [outerA, outerB] = [a, b]
  let sumA = 0
  let sumB = 0
  let count = 0
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value === undefined) continue
    begin()
    addText(name)
    add(value)
    end()
    sumA = (sumA + a) | 0
    sumB = (sumB + b) | 0
    count++
  }
  a = outerA
  b = outerB
  mix(7)
  mix(count)
  mix(sumA)
  mix(sumB)
}
