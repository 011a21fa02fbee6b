import { ParticleError } from '../../errors.ts'
import { ANSWER_BOUNDS, excessOf } from '../../model/bounds.ts'
import type { Document } from '../../model/document.ts'
import { describeGiven } from '../../model/given.ts'
import { isObject, toJson } from '../../model/json.ts'
import { undefinedIn } from '../../policy/criteria.ts'
import { checkQuery, compile, isPlain, matcher, type Query } from '../../policy/query.ts'
import type { Predicate } from '../auth/revocations.ts'

/**
 * Describes a decision about rights that all nodes apply. The store holds it as `{ _id, entry }`, where
 * `entry` is the JSON text: so every store takes it, with the operators of its query.
 */
export interface ControlEntry {
  kind: 'revoke' | 'refresh'
  /** Selects clients by their identity. */
  query: Query
  /** The reason that the clients of a revocation get. */
  reason: string
  /** The name of the process that made the decision. */
  process: string
  /** The time of the decision by the clock of that process, in milliseconds since the epoch. */
  at: number
  /** The time after which no token is concerned, in milliseconds since the epoch. */
  until: number
}

/**
 * Checks a query on identities.
 *
 * @throws ParticleError `INVALID_QUERY`
 */
export function checkIdentityQuery(query: unknown, where: string): asserts query is Query {
  const refuse = (sentence: string): never => {
    throw new ParticleError('INVALID_QUERY', `${where} ${sentence}`)
  }
  const excess = excessOf(query, ANSWER_BOUNDS)
  if (excess !== undefined) refuse(`${excess}: a query must be smaller`)
  checkQuery(query, where)
  // An undefined value would select all identities without the field, as by a session without a user.
  const path = undefinedIn(query)
  if (path)
    refuse(
      `has an undefined value at ${path.join('.')}, and {} would select everybody: check where the value ` +
        'comes from',
    )
  const lost = lostInJson(query)
  if (lost)
    refuse(
      `has a value at ${lost.path.join('.')} that JSON can not hold: ${describeGiven(lost.value)}. Write a ` +
        'number, a text, a Date or an ObjectId, and { $regex: "..." } for a RegExp',
    )
  compile(query, where)
}

/**
 * Returns the first value that JSON drops or replaces, as a BigInt, NaN or a Map. The other nodes would get
 * another query.
 */
function lostInJson(value: unknown, path: string[] = []): { path: string[]; value: unknown } | undefined {
  if (!Array.isArray(value) && !isPlain(value)) return isKept(value) ? undefined : { path, value }
  for (const [key, inner] of Object.entries(value)) {
    const lost = lostInJson(inner, [...path, key])
    if (lost) return lost
  }
  return undefined
}

function isKept(value: unknown): boolean {
  if (value === null) return true
  return typeof value !== 'bigint' && !['null', '{}', undefined].includes(JSON.stringify(value))
}

/** Creates the predicate of a query on identities. An identity that is no object has no fields. */
export function predicateOf(query: Query): Predicate {
  const matches = matcher(query)
  return (identity: unknown) => matches(isObject(identity) ? identity : {})
}

/** Creates the store's document of an entry. */
export function documentOf(id: string, { query, ...entry }: ControlEntry): Document {
  return { _id: id, entry: JSON.stringify({ ...entry, query: toJson(query) }) }
}

/**
 * Reads the entry of a document.
 *
 * @throws ParticleError `INVALID_MESSAGE` for a document that no node of this server has written
 */
export function entryOf(document: Document): ControlEntry {
  try {
    const entry = JSON.parse(String(document.entry)) as ControlEntry
    const { kind, query, reason, process, at, until } = entry
    const texts = [reason, process].every((text) => typeof text === 'string')
    const times = [at, until].every(Number.isFinite)
    if ((kind !== 'revoke' && kind !== 'refresh') || !texts || !times)
      throw new TypeError('a field is missing')
    checkIdentityQuery(query, 'The query')
    return { kind, query, reason, process, at, until }
  } catch (cause) {
    throw new ParticleError(
      'INVALID_MESSAGE',
      `The document ${JSON.stringify(document._id)} of the control collection is no decision of a node: ` +
        'delete it, and let nothing but Particle write to that collection',
      { cause },
    )
  }
}
