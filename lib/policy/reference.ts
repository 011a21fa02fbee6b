import { ParticleError } from '../errors.ts'
import { toJson } from '../model/json.ts'
import { isPlain } from './query.ts'
import { Relation } from './relation.ts'

/** Stands for a missing value of the identity. */
export const NOTHING = Symbol('nothing')

/** Checks for a text that refers to a value of the identity. */
export function isReference(text: string): boolean {
  return text.startsWith('@') && !text.startsWith('@@')
}

/** Lists the paths into the identity that a criteria refers to, also as the start of a relation. */
export function referencesIn(criteria: unknown): string[] {
  if (criteria instanceof Relation) return [criteria.start]
  if (typeof criteria === 'string') {
    return isReference(criteria) ? [criteria.slice(1).split('|', 1).join().trim()] : []
  }
  if (Array.isArray(criteria)) return criteria.flatMap(referencesIn)
  return isPlain(criteria) ? Object.values(criteria).flatMap(referencesIn) : []
}

/**
 * Returns an identity's value at a path in JSON form; {@link NOTHING} for a missing value.
 * @throws ParticleError `UNAUTHORIZED` for an operator or a RegExp
 */
export function look(identity: unknown, path: string): unknown {
  let value = identity
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return NOTHING
    value = (value as Record<string, unknown>)[name]
  }
  if (value === undefined || value === null || typeof value === 'function' || typeof value === 'symbol')
    return NOTHING
  refuseOperators(value)
  const json = toJson(value)
  refuseOperators(json)
  return json ?? NOTHING
}

/**
 * Refuses a query that holds an operator object of the identity: a function that takes a value from the
 * identity must not take an operator in its place.
 * @throws ParticleError `UNAUTHORIZED`
 */
export function refuseTaken(query: unknown, identity: unknown): void {
  const operators = new Set<unknown>()
  eachObject(identity, (object) => {
    if (hasOperators(object)) operators.add(object)
  })
  if (operators.size === 0) return
  eachObject(query, (object) => {
    if (operators.has(object)) throw noValue()
  })
}

function refuseOperators(value: unknown): void {
  eachObject(value, (object) => {
    if (hasOperators(object)) throw noValue()
  })
}

function hasOperators(object: object): boolean {
  return object instanceof RegExp || Object.keys(object).some((key) => key.startsWith('$'))
}

function noValue(): ParticleError {
  return new ParticleError(
    'UNAUTHORIZED',
    'The identity holds something else than a value where a criteria takes one from it',
  )
}

/**
 * Visits all objects of a value, each once. Avoids recursion, so that deep values neither exhaust the stack
 * nor cost more than their size.
 */
function eachObject(value: unknown, visit: (object: object) => void): void {
  const open: unknown[] = [value]
  const seen = new Set<object>()
  while (open.length > 0) {
    const next = open.pop()
    if (typeof next !== 'object' || next === null || seen.has(next)) continue
    seen.add(next)
    visit(next)
    for (const inner of Object.values(next)) if (typeof inner === 'object') open.push(inner)
  }
}
