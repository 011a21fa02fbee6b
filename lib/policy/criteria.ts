import { ParticleError } from '../errors.ts'
import { ANSWER_BOUNDS, excessOf } from '../model/bounds.ts'
import type { Json } from '../model/document.ts'
import type { AnyIdentity } from './identity.ts'
import type { ParamValues } from './params.ts'
import { checkQuery, compile, isPlain, LISTING, type Query } from './query.ts'
import { isReference, look, NOTHING, refuseTaken } from './reference.ts'
import { isRelationText, Relation } from './relation.ts'

export { canonicalQuery, matcher, type Query } from './query.ts'
export { referencesIn } from './reference.ts'

/**
 * Which documents an identity may see: a query, in which a string that starts with `@` is taken from the
 * identity (`{ accountId: '@accountId' }`, `{ teamId: { $in: '@session.teamIds' } }`; `@@` stands for a plain
 * `@`), or follows a relation (`{ _id: '@userId|users._id>userstuffs._id>stuffs._id' }`, or `related(...)`),
 * or a function of the identity that returns a query, or null where nothing may be seen. In a source with
 * parameters, a string that starts with `:` is taken from the parameters (`{ room: ':room' }`; `::` stands for a
 * plain `:`), and a function gets them as its second argument.
 */
export type Criteria<Identity = AnyIdentity, Params = ParamValues> =
  | Query
  | ((identity: Identity, params: Params) => Query | null | undefined | false)

/**
 * Operators whose value can be taken from the identity. In all others it could become a pattern or a
 * condition.
 */
const COMPARING: ReadonlySet<string> = new Set(['$eq', '$ne', '$gt', '$gte', '$lt', '$lte'])

/**
 * Checks a criteria when it is declared, so that a mistake in it stops the server from starting.
 *
 * @param where what it belongs to, for messages: say, `dataSources.users.criteria`
 * @param relate reads a relation in it, by its text or as `related()` made it; left out where there may be
 * none
 * @param params the names of the source's parameters; undefined for a source without parameters, and 'any'
 * where a schema alone knows the names
 * @throws ParticleError `INVALID_OPTION` if it is neither an object nor a function; `INVALID_QUERY` if it is
 * not a query that is supported
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
      `${where} must be a query such as { accountId: '@accountId' }, or a function of the identity that returns one`,
    )
  }
  refuseExcess(value, where)
  checkQuery(value, where)
  const path = undefinedIn(value)
  if (path)
    throw new ParticleError('INVALID_QUERY', `${where} holds a value that is undefined: ${path.join('.')}`)
  const criteria = withRelations(value, (relation) => {
    if (relate) return relate(relation)
    throw new ParticleError('INVALID_QUERY', `${where} follows a relation, which it can't`)
  }) as Query
  const param = (name: string) => {
    if (params === 'any' || params?.includes(name)) return 'x'
    throw new ParticleError('INVALID_QUERY', `${where} has ":${name}", which is no parameter of the source`)
  }
  const context = { where, look: () => 'x', param: params && param, related: () => [], negated: false }
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
 *   taken from it; `INVALID_QUERY` if a function returned something else than a query; `CALLBACK_FAILED`,
 *   with the cause, if it threw
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
  const returned = `What ${where} returned`
  if (typeof (query as { then?: unknown }).then === 'function') {
    throw new ParticleError(
      'INVALID_QUERY',
      `${returned} is a promise: a criteria answers at once; let identityLookup find out what it needs`,
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
  // `{ accountId: identity.accountId }` without one would match the documents that have none.
  const path = undefinedIn(query)
  if (path === undefined) return query
  onUndefined?.(path.join('.'))
  return null
}

/** Refuses a query before anything walks it. A relation holds collections, which are no part of the query. */
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
  /** What the criteria belongs to, for messages: say, `dataSources.users.criteria`. */
  where?: string
  /** Told which part of a function's query is undefined, so that nothing matches. */
  onUndefined?: (path: string) => void
  /** The parameters of a watched root; undefined for a source without parameters. */
  params?: ParamValues | undefined
}

interface Context {
  where: string
  look: (path: string) => unknown
  /** Returns the value of a parameter; undefined for a source without parameters. */
  param?: ((name: string) => unknown) | undefined
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
    if (context.param && value.startsWith(':')) {
      return value.startsWith('::') ? value.slice(1) : context.param(value.slice(1))
    }
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
  const refuse = (sign: string, from: string) => (name: string) => {
    throw new ParticleError(
      'INVALID_QUERY',
      `${context.where} takes "${sign}${name}" from the ${from} for ${key}, which takes no value: ` +
        `write "${sign}${sign}${name}" if the text itself is meant`,
    )
  }
  const param = context.param && refuse(':', 'parameters')
  return { ...context, look: refuse('@', 'identity'), param }
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

/** The path to the first part of a value that is undefined; undefined where there is none. */
function undefinedIn(value: unknown): string[] | undefined {
  if (value === undefined) return []
  if (!Array.isArray(value) && !isPlain(value)) return undefined
  for (const [key, inner] of Object.entries(value)) {
    const path = undefinedIn(inner)
    if (path) return [key, ...path]
  }
  return undefined
}
