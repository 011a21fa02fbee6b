import { ParticleError } from '../../errors.ts'
import type { Document, Json } from '../../model/document.ts'
import { child, isObject } from '../../model/json.ts'
import type { Query } from '../source.ts'
import { compile, type Match } from './query.ts'
import { invalid } from './update.ts'

/** Resolves the positions in an update's paths: `$` by the query, `$[name]` by the array filters. */
export interface Positions {
  query: Query
  filters: ReadonlyMap<string, Match>
}

const NONE: ReadonlyMap<string, Match> = new Map()

/**
 * Parses the `arrayFilters` of an update that uses the names in `names`: `[{ 't.done': false }]` defines
 * `$[t]`. Throws `INVALID_QUERY` for a filter with several names or an unused name, and for a name without a
 * filter.
 */
export function parseFilters(
  arrayFilters: unknown,
  paths: readonly (readonly string[])[],
): ReadonlyMap<string, Match> {
  if (arrayFilters === undefined && !paths.some((path) => path.some((segment) => segment.startsWith('$['))))
    return NONE
  const used = new Set(paths.flat().filter((segment) => /^\$\[\w+\]$/.test(segment)))
  const filters = new Map<string, Match>()
  if (arrayFilters !== undefined && !Array.isArray(arrayFilters)) {
    throw new ParticleError('INVALID_QUERY', 'arrayFilters must be an array.')
  }
  for (const filter of arrayFilters ?? []) {
    const names = new Set(isObject(filter) ? namesOf(filter) : [])
    const [name] = names
    if (name === undefined || names.size > 1 || filters.has(`$[${name}]`) || !used.has(`$[${name}]`)) {
      throw new ParticleError(
        'INVALID_QUERY',
        'Each of arrayFilters must be about one $[name] of the update.',
      )
    }
    filters.set(`$[${name}]`, compile(filter))
  }
  for (const name of used) {
    if (!filters.has(name))
      throw new ParticleError('INVALID_QUERY', `arrayFilters says nothing about ${name}.`)
  }
  return filters
}

/**
 * Expands a path with positions to the paths in this document. Throws `INVALID_OPERATION` when MongoDB would.
 */
export function expand(
  document: Document,
  segments: readonly string[],
  positions: Positions,
): (readonly string[])[] {
  const at = segments.findIndex((segment) => segment.startsWith('$'))
  const position = segments[at]
  if (position === undefined) return [segments]
  const path = segments.slice(0, at)
  const array = path.reduce<Json | Document | undefined>(child, document)
  if (!Array.isArray(array)) {
    throw invalid(`'${path.join('.')}' must be an array for ${position} to name elements of it.`)
  }
  const indices = position === '$' ? [matched(path, array, positions.query)] : [...array.keys()]
  const filter = positions.filters.get(position)
  const name = position.slice(2, -1)
  return indices
    .filter((index) => filter?.({ [name]: array[index] }) ?? true)
    .flatMap((index) => expand(document, [...path, String(index), ...segments.slice(at + 1)], positions))
}

function matched(path: readonly string[], array: readonly Json[], query: Query): number {
  const conditions = conditionsOn(path.join('.'), query).map(compile)
  const holds = (element: Json, match: Match) => match(within(path, element))
  // Takes an element that meets all conditions. With several conditions, MongoDB leaves open which condition
  // counts.
  const all = array.findIndex((element) => conditions.every((match) => holds(element, match)))
  const first = conditions[0]
  const index = all < 0 && first ? array.findIndex((element) => holds(element, first)) : all
  if (conditions.length > 0 && index >= 0) return index
  throw invalid(`The query has no condition on '${path.join('.')}', which must select the element of $.`)
}

function conditionsOn(path: string, query: Query): Query[] {
  return Object.entries(query).flatMap(([name, condition]) => {
    if (name === '$and' && Array.isArray(condition))
      return condition.flatMap((part) => conditionsOn(path, part))
    return name === path || name.startsWith(`${path}.`) ? [{ [name]: condition }] : []
  })
}

/** Wraps an element in a document with an array of this one element. */
function within(path: readonly string[], element: Json): Document {
  return path.reduceRight<Json>((value, name) => ({ [name]: value }), [element]) as Document
}

function namesOf(filter: Record<string, unknown>): string[] {
  return Object.entries(filter).flatMap(([name, condition]) => {
    if (!name.startsWith('$')) return [name.split('.', 1)[0] ?? name]
    return Array.isArray(condition) ? condition.filter(isObject).flatMap(namesOf) : []
  })
}
