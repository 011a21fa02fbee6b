import { ParticleError } from '../errors.ts'
import { ANSWER_BOUNDS, excessOf } from '../model/bounds.ts'
import type { Json } from '../model/document.ts'
import type { AnyIdentity } from './identity.ts'
import type { ParamValues } from './params.ts'
import { checkQuery, compile, isPlain, type Query } from './query.ts'
import { look, NOTHING, refuseTaken } from './reference.ts'
import { isRelationText, Relation } from './relation.ts'
import { resolveQuery } from './resolution.ts'

export { canonicalQuery, matcher, type Query } from './query.ts'
export { referencesIn } from './reference.ts'

/**
 * Describes the documents that an identity may see. A criteria is a query, or a function of the identity that
 * returns a query (null for no documents). In a query, a string that starts with `@` is a value of the
 * identity (`{ accountId: '@accountId' }`, `{ teamId: { $in: '@session.teamIds' } }`; `@@` stands for a plain
 * `@`), or a relation (`{ _id: '@userId|users._id>userstuffs._id>stuffs._id' }`, or `related(...)`).
 * In a source with parameters, a string that starts with `:` is a parameter (`{ room: ':room' }`; `::` stands
 * for a plain `:`), and a function gets the parameters as its second argument.
 */
export type Criteria<Identity = AnyIdentity, Params = ParamValues> =
  | Query
  | ((identity: Identity, params: Params) => Query | null | undefined | false)

/**
 * Checks a declared criteria, so that a mistake stops the server from starting.
 *
 * @param where the criteria's option, for messages: say, `dataSources.users.criteria`
 * @param relate reads a relation, as a text or as the result of `related()`. Left out when relations are not
 *   allowed
 * @param params the names of the source's parameters; undefined for a source without parameters, and 'any'
 *   where a schema alone knows the names
 * @throws ParticleError `INVALID_OPTION` for anything but an object or a function; `INVALID_QUERY` for an
 *   unsupported query
 */
export function parseCriteria(
  value: unknown,
  where: string,
  relate?: (relation: string | Relation) => Relation,
  params?: readonly string[] | 'any',
): Criteria {
  if (typeof value === 'function') return value as Criteria
  if (!isPlain(value)) {
    throw new ParticleError(
      'INVALID_OPTION',
      `${where} must be a query such as { accountId: '@accountId' }, or a function that returns a query`,
    )
  }
  refuseExcess(value, where)
  checkQuery(value, where)
  const path = undefinedIn(value)
  if (path)
    throw new ParticleError(
      'INVALID_QUERY',
      `${where} has an undefined value at ${path.join('.')}: leave the field out, or give it a value`,
    )
  const criteria = withRelations(value, (relation) => {
    if (relate) return relate(relation)
    throw new ParticleError('INVALID_QUERY', `${where} has a relation, where only plain values are allowed`)
  }) as Query
  const param = (name: string) => {
    if (params === 'any' || params?.includes(name)) return 'x'
    throw new ParticleError('INVALID_QUERY', `${where} has ":${name}", which is no parameter of the source`)
  }
  const values = { where, look: () => 'x', param: params && param, related: () => [], negated: false }
  compile(resolveQuery(criteria, values) as Query, where)
  return criteria
}

/** Returns a parsed criteria with null in place of the values from identities, parameters and relations. */
export function constantsOf(criteria: Query): Query {
  const nothing = () => null
  const values = { where: '', look: nothing, param: nothing, related: () => [null], negated: false }
  return resolveQuery(criteria, values) as Query
}

/** Lists the relations in a parsed criteria. */
export function relationsIn(criteria: unknown): Relation[] {
  if (criteria instanceof Relation) return [criteria]
  if (Array.isArray(criteria)) return criteria.flatMap(relationsIn)
  return isPlain(criteria) ? Object.values(criteria).flatMap(relationsIn) : []
}

/**
 * Returns the identity's values at the start of a relation; `undefined` without such values. Throws as
 * {@link resolveCriteria} does.
 */
export function startOf(relation: Relation, identity: unknown): Json[] | undefined {
  const value = look(identity, relation.start)
  if (value === NOTHING) return undefined
  return (Array.isArray(value) ? value : [value]).filter((element) => element !== null) as Json[]
}

/** Replaces relations' texts by relations. Returns the value itself when it has none. */
function withRelations(value: unknown, relate: (relation: string | Relation) => Relation): unknown {
  if (value instanceof Relation || (typeof value === 'string' && isRelationText(value))) return relate(value)
  if (!Array.isArray(value) && !isPlain(value)) return value
  const before = Object.values(value)
  const after = before.map((inner) => withRelations(inner, relate))
  if (after.every((inner, index) => inner === before[index])) return value
  if (Array.isArray(value)) return after
  return Object.fromEntries(Object.keys(value).map((key, index) => [key, after[index]]))
}

/**
 * Resolves a criteria to the query of one identity. Returns null (no documents) whenever the identity lacks a
 * value that the criteria takes from it. A value of the identity is always a value, never an operator.
 *
 * @param related returns the values at the end of a relation; `undefined` if the identity lacks the start
 * @throws ParticleError `UNAUTHORIZED` if the identity holds a query operator or a RegExp in place of a
 *   value; `INVALID_QUERY` if a function returned anything but a query; `CALLBACK_FAILED`, with the cause, if
 *   a function threw
 */
export function resolveCriteria(
  criteria: Criteria,
  identity: unknown,
  related: (relation: Relation) => readonly Json[] | undefined = () => undefined,
  { where = 'A criteria', onUndefined, params }: ResolveOptions = {},
): Query | null {
  if (typeof criteria !== 'function') {
    const query = resolveQuery(criteria, {
      where,
      look: (path) => look(identity, path),
      param: params && ((name) => (Object.hasOwn(params, name) ? params[name] : NOTHING)),
      related,
      negated: false,
    })
    return query === NOTHING ? null : (query as Query)
  }
  const query = answerOf(criteria, identity, params ?? {}, where)
  if (query === null || query === undefined || query === false) return null
  const returned = `The result of ${where}`
  if (typeof (query as { then?: unknown }).then === 'function') {
    throw new ParticleError(
      'INVALID_QUERY',
      `${returned} is a promise: return a query at once, and let identityLookup wait for its values`,
    )
  }
  refuseExcess(query, returned)
  checkQuery(query, returned)
  refuseTaken(query, identity)
  if (relationsIn(query).length > 0) {
    throw new ParticleError(
      'INVALID_QUERY',
      `${returned} holds a relation: only a criteria that is a query can follow one`,
    )
  }
  // Refuses `{ accountId: identity.accountId }` without an `accountId`, which would match the documents that
  // have none.
  const path = undefinedIn(query)
  if (path === undefined) return query
  onUndefined?.(path.join('.'))
  return null
}

/**
 * Refuses a query that is too large, before any walk. Skips the collections of relations, which are no part
 * of the query.
 */
function refuseExcess(query: unknown, where: string): void {
  const excess = excessOf(query, ANSWER_BOUNDS, (value) => value instanceof Relation)
  if (excess) throw new ParticleError('INVALID_QUERY', `${where} ${excess}: a query must be smaller`)
}

function answerOf(
  criteria: Exclude<Criteria, Query>,
  identity: unknown,
  params: ParamValues,
  where: string,
): unknown {
  try {
    return criteria(identity, params)
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new ParticleError('CALLBACK_FAILED', `${where} threw: ${message}`, { cause })
  }
}

interface ResolveOptions {
  /** The criteria's option, for messages: say, `dataSources.users.criteria`. */
  where?: string
  /** Receives the path of an undefined part of a function's query. Such a query matches nothing. */
  onUndefined?: (path: string) => void
  /** The parameters of a watched root; undefined for a source without parameters. */
  params?: ParamValues | undefined
}

/** Returns the path to the first undefined part of a value; `undefined` if there is none. */
export const undefinedIn = (value: unknown) => pathTo(value, (leaf) => leaf === undefined)

/** Returns the path to the first part, other than an array or a plain object, that `is` holds for. */
export function pathTo(value: unknown, is: (leaf: unknown) => boolean): string[] | undefined {
  if (!Array.isArray(value) && !isPlain(value)) return is(value) ? [] : undefined
  for (const [key, inner] of Object.entries(value)) {
    const path = pathTo(inner, is)
    if (path) return [key, ...path]
  }
  return undefined
}
