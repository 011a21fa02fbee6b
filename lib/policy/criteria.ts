import { ParticleError } from '../errors.ts'
import type { Json } from '../model/document.ts'
import { toJson } from '../model/json.ts'
import type { AnyIdentity } from './identity.ts'
import { checkQuery, compile, isPlain, LISTING, type Query } from './query.ts'
import { isRelationText, Relation } from './relation.ts'

export { canonicalQuery, matcher, type Query } from './query.ts'

/**
 * Which documents an identity may see: a query, in which a string that starts with `@` is taken from the
 * identity (`{ accountId: '@accountId' }`, `{ teamId: { $in: '@session.teamIds' } }`; `@@` stands for a plain
 * `@`), or follows a relation (`{ _id: '@userId|users._id>userstuffs._id>stuffs._id' }`, or `related(...)`),
 * or a function of the identity that returns a query, or null where nothing may be seen.
 */
export type Criteria<Identity = AnyIdentity> =
  | Query
  | ((identity: Identity) => Query | null | undefined | false)

/**
 * Operators whose value can be taken from the identity. In all others it could become a pattern or a
 * condition.
 */
const COMPARING: ReadonlySet<string> = new Set(['$eq', '$ne', '$gt', '$gte', '$lt', '$lte'])

/** A path into the identity that leads nowhere, or something that is not there at all. */
const NOTHING = Symbol('nothing')

/**
 * Checks a criteria when it is declared, so that a mistake in it stops the server from starting.
 *
 * @param where what it belongs to, for messages: say, `dataSources.users.criteria`
 * @param relate reads a relation in it, by its text or as `related()` made it; left out where there may be
 * none
 * @throws ParticleError `INVALID_OPTION` if it is neither an object nor a function; `INVALID_QUERY` if it is
 * not a query that is supported
 */
export function parseCriteria(
  value: unknown,
  where: string,
  relate?: (relation: string | Relation) => Relation,
): Criteria {
  if (typeof value === 'function') return value as Criteria
  if (!isPlain(value)) {
    throw new ParticleError(
      'INVALID_OPTION',
      `${where} must be a query such as { accountId: '@accountId' }, or a function of the identity that returns one`,
    )
  }
  checkQuery(value, where)
  if (holdsUndefined(value))
    throw new ParticleError('INVALID_QUERY', `${where} holds a value that is undefined`)
  const criteria = withRelations(value, (relation) => {
    if (relate) return relate(relation)
    throw new ParticleError('INVALID_QUERY', `${where} follows a relation, which it can't`)
  }) as Query
  const context = { where, look: () => 'x', related: () => [], negated: false }
  compile(resolveQuery(criteria, context) as Query, where)
  return criteria
}

/** The relations in a criteria that was parsed. */
export function relationsIn(criteria: unknown): Relation[] {
  if (criteria instanceof Relation) return [criteria]
  if (Array.isArray(criteria)) return criteria.flatMap(relationsIn)
  return isPlain(criteria) ? Object.values(criteria).flatMap(relationsIn) : []
}

/**
 * The values of the identity that a relation starts from; undefined where there are none. Throws as {@link
 * resolveCriteria} does.
 */
export function startOf(relation: Relation, identity: unknown): Json[] | undefined {
  const value = look(identity, relation.start)
  if (value === NOTHING) return undefined
  return (Array.isArray(value) ? value : [value]).filter((element) => element !== null) as Json[]
}

/** The same with relations in the place of what stands for them; itself where there are none. */
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
 * The query of one identity; null if no document may be seen, which is so whenever something that the
 * criteria takes from the identity is missing there. What is taken is always a value, never an operator.
 *
 * @param related the values that a relation leads to; undefined where the identity lacks its start
 * @throws ParticleError `UNAUTHORIZED` if the identity holds a query operator or a RegExp where a value is
 * taken from it;   `INVALID_QUERY` if a function returned something else than a query. What a function
 * throws, passes.
 */
export function resolveCriteria(
  criteria: Criteria,
  identity: unknown,
  related: (relation: Relation) => readonly Json[] | undefined = () => undefined,
): Query | null {
  if (typeof criteria !== 'function') {
    const query = resolveQuery(criteria, {
      where: 'A criteria',
      look: (path) => look(identity, path),
      related,
      negated: false,
    })
    return query === NOTHING ? null : (query as Query)
  }
  const query = criteria(identity)
  if (query === null || query === undefined || query === false) return null
  checkQuery(query, 'What a criteria function returned')
  if (relationsIn(query).length > 0) {
    throw new ParticleError(
      'INVALID_QUERY',
      'What a criteria function returned holds a relation: only a criteria that is a query can follow one',
    )
  }
  // `{ accountId: identity.accountId }` without one would match the documents that have none.
  return holdsUndefined(query) ? null : query
}

interface Context {
  where: string
  look: (path: string) => unknown
  related: (relation: Relation) => readonly Json[] | undefined
  /** Below a `$not` or `$nor`, where to leave something out is to match more. */
  negated: boolean
}

/** Resolves an object whose keys are fields, or operators on queries. */
function resolveQuery(query: Query, context: Context): unknown {
  return resolveEntries(query, (key, value) => {
    if (!key.startsWith('$')) return resolveField(value, context)
    if (!Array.isArray(value)) return resolveValue(value, refusing(key, context))
    const inner = key === '$nor' ? { ...context, negated: true } : context
    return resolveList(value, (element) => (isPlain(element) ? resolveQuery(element, inner) : element))
  })
}

/** Resolves what stands for a field: a value, or an object of operators. */
function resolveField(value: unknown, context: Context): unknown {
  if (value instanceof Relation) return resolveOperators({ $in: value }, context)
  if (isPlain(value))
    return isOperators(value) ? resolveOperators(value, context) : resolveValue(value, context)
  const resolved = resolveValue(value, context)
  const compound = typeof value === 'string' && typeof resolved === 'object' && resolved !== null
  return compound ? { $eq: resolved } : resolved
}

function resolveOperators(operators: Record<string, unknown>, context: Context): unknown {
  return resolveEntries(operators, (key, value) => {
    if (LISTING.has(key)) return resolveMembers(key, value, context)
    if (COMPARING.has(key)) return resolveValue(value, context)
    if (key === '$not' && isPlain(value)) return resolveOperators(value, { ...context, negated: true })
    if (key === '$elemMatch' && isPlain(value)) {
      return isOperators(value) ? resolveOperators(value, context) : resolveQuery(value, context)
    }
    return resolveValue(value, refusing(key, context))
  })
}

/**
 * The list of an `$in` and its like: arrays of the identity are spliced into it, and what is missing is left
 * out where that matches less.
 */
function resolveMembers(key: string, value: unknown, context: Context): unknown {
  const optional = key === '$in' && !context.negated && Array.isArray(value)
  const members: unknown[] = []
  for (const member of Array.isArray(value) ? value : [value]) {
    if (member instanceof Relation && key !== '$all') {
      const values = context.related(member)
      if (!values && !optional) return NOTHING
      members.push(...(values ?? []))
      continue
    }
    const resolved = resolveValue(member, context)
    if (resolved === NOTHING) {
      if (!optional) return NOTHING
    } else if (typeof member === 'string' && Array.isArray(resolved)) {
      // A null in a list matches the documents that have no such field.
      members.push(...resolved.filter((element) => element !== null))
    } else {
      members.push(resolved)
    }
  }
  // A lone value that isn't a reference is left for the query's compiler to refuse.
  const reference = value instanceof Relation || (typeof value === 'string' && isReference(value))
  return Array.isArray(value) || reference ? members : value
}

function resolveValue(value: unknown, context: Context): unknown {
  if (value instanceof Relation) {
    throw new ParticleError(
      'INVALID_QUERY',
      `${context.where} has a relation where it can't stand: it is the value of a field, or in an $in or $nin`,
    )
  }
  if (typeof value === 'string') {
    if (!value.startsWith('@')) return value
    if (!isReference(value)) return value.slice(1)
    const path = value.slice(1)
    if (path.split('.').includes('')) {
      throw new ParticleError(
        'INVALID_QUERY',
        `${context.where} has "${value}", which names no field of the identity`,
      )
    }
    return context.look(path)
  }
  if (Array.isArray(value)) return resolveList(value, (element) => resolveValue(element, context))
  return isPlain(value) ? resolveEntries(value, (_key, inner) => resolveValue(inner, context)) : value
}

function refusing(key: string, context: Context): Context {
  const look = (path: string): never => {
    throw new ParticleError(
      'INVALID_QUERY',
      `${context.where} takes "@${path}" from the identity for ${key}, which takes no value: write "@@${path}" if the text itself is meant`,
    )
  }
  return { ...context, look }
}

function isReference(text: string): boolean {
  return text.startsWith('@') && !text.startsWith('@@')
}

function isOperators(value: Record<string, unknown>): boolean {
  return Object.keys(value).some((key) => key.startsWith('$'))
}

function resolveEntries(
  from: Record<string, unknown>,
  each: (key: string, value: unknown) => unknown,
): unknown {
  const entries: [string, unknown][] = []
  for (const [key, value] of Object.entries(from)) {
    const resolved = each(key, value)
    if (resolved === NOTHING) return NOTHING
    entries.push([key, resolved])
  }
  return Object.fromEntries(entries)
}

function resolveList(from: readonly unknown[], each: (value: unknown) => unknown): unknown {
  const list = from.map(each)
  return list.includes(NOTHING) ? NOTHING : list
}

function look(identity: unknown, path: string): unknown {
  let value = identity
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return NOTHING
    value = (value as Record<string, unknown>)[name]
  }
  if (value === undefined || value === null || typeof value === 'function' || typeof value === 'symbol')
    return NOTHING
  refuseOperators(value, [])
  const json = toJson(value)
  refuseOperators(json, [])
  return json ?? NOTHING
}

function refuseOperators(value: unknown, parents: readonly unknown[]): void {
  if (typeof value !== 'object' || value === null) return
  const operators = Object.keys(value).some((key) => key.startsWith('$'))
  if (value instanceof RegExp || operators || parents.includes(value)) {
    throw new ParticleError(
      'UNAUTHORIZED',
      'The identity holds something else than a value where a criteria takes one from it',
    )
  }
  for (const inner of Object.values(value)) refuseOperators(inner, [...parents, value])
}

function holdsUndefined(value: unknown): boolean {
  if (value === undefined) return true
  if (Array.isArray(value)) return value.some(holdsUndefined)
  return isPlain(value) && Object.values(value).some(holdsUndefined)
}
