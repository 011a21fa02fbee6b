import type { Document as BsonDocument } from 'mongodb'
import type { ReadOptions } from '../source.ts'
import { bsonType } from './bson.ts'
import { FIRST_DATE, LAST_DATE } from './value.ts'

type Clause = Record<string, unknown>

/**
 * Groups types whose values keep their order in JSON, within a group and beside numbers and null. Types of
 * two groups do not.
 */
const GROUPS = [['string', 'bool'], ['date'], ['objectId']] as const

/** Types whose values have another order in JSON. */
const UNLIKE = [
  'decimal',
  'object',
  'array',
  'binData',
  'regex',
  'javascript',
  'javascriptWithScope',
  'symbol',
  'dbPointer',
  'timestamp',
  'undefined',
  'minKey',
  'maxKey',
]

/**
 * Builds a filter for the documents that make MongoDB's order of a collection differ from the order of the
 * JSON forms. Returns `undefined` if the first documents prove a difference already.
 *
 * @param documents the first documents by MongoDB's order
 */
export function unlikeFilter(
  sort: ReadOptions['sort'],
  documents: readonly BsonDocument[],
): Clause | undefined {
  const clauses: Clause[] = []
  for (const [path] of sort) {
    const names = path.split('.')
    for (let length = 1; length < names.length; length++)
      clauses.push({ [names.slice(0, length).join('.')]: { $type: 'array' } })
    const groups = new Set(
      documents.map((document) => groupAt(document, names)).filter((group) => group >= 0),
    )
    if (groups.size > 1) return undefined
    const [seen] = groups
    // Adds no types after numbers and null only: all other types come later, in both orders.
    const others = seen === undefined ? [] : GROUPS.flatMap((types, group) => (group === seen ? [] : types))
    clauses.push(
      { [path]: { $type: [...UNLIKE, ...others] } },
      // Finds the numbers that change in JSON: infinities and NaN are null there, large integers are texts.
      { [path]: { $gt: Number.MAX_SAFE_INTEGER } },
      { [path]: { $lt: Number.MIN_SAFE_INTEGER } },
      { [path]: Number.NaN },
      { [path]: { $gt: LAST_DATE } },
      { [path]: { $lt: FIRST_DATE } },
    )
  }
  return { $or: clauses }
}

/** Returns the group of the value at a path; -1 for none. */
function groupAt(document: BsonDocument, names: readonly string[]): number {
  let value: unknown = document
  for (const name of names)
    value = typeof value === 'object' && value !== null ? (value as Clause)[name] : undefined
  if (typeof value === 'string' || typeof value === 'boolean') return 0
  if (value instanceof Date) return 1
  return bsonType(value) === 'ObjectId' ? 2 : -1
}
