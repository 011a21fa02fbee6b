import { ParticleError } from '../errors.ts'
import type { Json } from '../model/document.ts'
import { isPlain, LISTING, type Query } from './query.ts'
import { isReference, NOTHING } from './reference.ts'
import { Relation } from './relation.ts'

/**
 * The operators whose value may come from the identity. In any other operator, the value could become a
 * pattern or a condition.
 */
const COMPARING: ReadonlySet<string> = new Set(['$eq', '$ne', '$gt', '$gte', '$lt', '$lte'])

/** Describes the sources of the values in a criteria. */
export interface Values {
  /** The name of the criteria's option, for error messages. */
  where: string
  /** Returns a value of the identity. */
  look: (path: string) => unknown
  /** Returns the value of a parameter; undefined for a source without parameters. */
  param?: ((name: string) => unknown) | undefined
  /** Returns the values at the end of a relation; undefined if the identity lacks the start. */
  related: (relation: Relation) => readonly Json[] | undefined
  /** Marks the inside of a `$not` or `$nor`, where a missing part would match more documents. */
  negated: boolean
}

/**
 * Resolves the references, parameters and relations of a criteria. The keys of the criteria are fields, or
 * operators on queries. Returns `NOTHING` if a value is missing, so that no document matches.
 */
export function resolveQuery(query: Query, values: Values): unknown {
  return resolveEntries(query, (key, value) => {
    if (!key.startsWith('$')) return resolveField(value, values)
    if (!Array.isArray(value)) return resolveValue(value, refusing(key, values))
    const inner = key === '$nor' ? { ...values, negated: true } : values
    return resolveList(value, (element) => (isPlain(element) ? resolveQuery(element, inner) : element))
  })
}

/** Resolves a field's part of the query: a value, or an object of operators. */
function resolveField(value: unknown, values: Values): unknown {
  if (value instanceof Relation) return resolveOperators({ $in: value }, values)
  if (isPlain(value))
    return isOperators(value) ? resolveOperators(value, values) : resolveValue(value, values)
  const resolved = resolveValue(value, values)
  const compound = typeof value === 'string' && typeof resolved === 'object' && resolved !== null
  return compound ? { $eq: resolved } : resolved
}

function resolveOperators(operators: Record<string, unknown>, values: Values): unknown {
  return resolveEntries(operators, (key, value) => {
    if (LISTING.has(key)) return resolveMembers(key, value, values)
    if (COMPARING.has(key)) return resolveValue(value, values)
    if (key === '$not' && isPlain(value)) return resolveOperators(value, { ...values, negated: true })
    if (key === '$elemMatch' && isPlain(value)) {
      return isOperators(value) ? resolveOperators(value, values) : resolveQuery(value, values)
    }
    return resolveValue(value, refusing(key, values))
  })
}

/**
 * Resolves the list of an `$in` or a similar operator. Splices arrays of the identity into the list. Leaves
 * out missing values if the query then matches fewer documents.
 */
function resolveMembers(key: string, value: unknown, values: Values): unknown {
  const optional = key === '$in' && !values.negated && Array.isArray(value)
  const members: unknown[] = []
  for (const member of Array.isArray(value) ? value : [value]) {
    if (member instanceof Relation && key !== '$all') {
      const found = values.related(member)
      if (!found && !optional) return NOTHING
      members.push(...(found ?? []))
      continue
    }
    const resolved = resolveValue(member, values)
    if (resolved === NOTHING) {
      if (!optional) return NOTHING
    } else if (typeof member === 'string' && Array.isArray(resolved)) {
      // Drops nulls, because a null in the list would match documents without the field.
      members.push(...resolved.filter((element) => element !== null))
    } else {
      members.push(resolved)
    }
  }
  // Keeps a single plain value, because the compiler of the query refuses it with a message.
  const reference = value instanceof Relation || (typeof value === 'string' && isReference(value))
  return Array.isArray(value) || reference ? members : value
}

function resolveValue(value: unknown, values: Values): unknown {
  if (value instanceof Relation) {
    throw new ParticleError(
      'INVALID_QUERY',
      `${values.where} has a relation in a wrong place: use it as a field's value, or in an $in or $nin`,
    )
  }
  if (typeof value === 'string') {
    if (values.param && value.startsWith(':')) {
      return value.startsWith('::') ? value.slice(1) : values.param(value.slice(1))
    }
    if (!value.startsWith('@')) return value
    if (!isReference(value)) return value.slice(1)
    const path = value.slice(1)
    if (path.split('.').includes('')) {
      throw new ParticleError(
        'INVALID_QUERY',
        `${values.where} has "${value}", which names no field of the identity`,
      )
    }
    return values.look(path)
  }
  if (Array.isArray(value)) return resolveList(value, (element) => resolveValue(element, values))
  return isPlain(value) ? resolveEntries(value, (_key, inner) => resolveValue(inner, values)) : value
}

function refusing(key: string, values: Values): Values {
  const refuse = (sign: string, from: string) => (name: string) => {
    throw new ParticleError(
      'INVALID_QUERY',
      `${values.where} takes "${sign}${name}" from the ${from} for ${key}, which takes no value: write ` +
        `"${sign}${sign}${name}" for the text itself`,
    )
  }
  const param = values.param && refuse(':', 'parameters')
  return { ...values, look: refuse('@', 'identity'), param }
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
