import type { Json } from '../../model/document.ts'
import { isOperators, LOGIC } from '../../model/matching.ts'
import { type Criteria, constantsOf, type Query } from '../../policy/criteria.ts'
import type { Manifest } from '../../policy/manifest.ts'
import type { SortLimit } from '../../policy/order.ts'
import { inJson } from '../../policy/query.ts'
import type { ColumnForm, Columns } from '../../source/source.ts'
import type { Warnings } from './warnings.ts'

/** Describes the parts of a source that name columns. */
export interface ColumnUse {
  /** The source in the options, for messages: `dataSources.users`, for example. */
  where: string
  /** The table's name, for messages. */
  collection: string
  manifest: Manifest
  sortLimit: SortLimit | undefined
  criteria: Criteria | undefined
  /** Whether clients choose values of the criteria, by parameters. */
  hasParams: boolean
}

/** Describes the use of a field in a criteria. */
interface Comparison {
  path: string
  /** The values of which one must match. */
  values: readonly unknown[]
  /** Whether the values' types decide alone. */
  byType: boolean
  /** Whether the field and the value are compared by their order. */
  isOrder?: boolean
}

type Report = 'error' | 'debug'

/**
 * Creates a function that checks a source against the columns of its table. The function reports each name
 * that is no column, each column that is compared with values that it never has, and each order that the
 * column's type does not suggest. Reports the types of values, but no values: they may be an identity's.
 */
export function columnHint(
  { where, collection, manifest, sortLimit, criteria, hasParams }: ColumnUse,
  warnings: Warnings,
): (columns: Columns, query: Query) => void {
  const isFunction = typeof criteria === 'function'
  const text = isFunction ? String(criteria) : ''
  const constants = criteria && !isFunction && hasParams ? constantsOf(criteria) : {}
  const manifestOption = `${where}.manifest`
  const listed = new Set(manifest === true ? [] : Object.keys(manifest))
  const named = new Set([
    ...pathsOf(manifest).map((path) => [manifestOption, path] as const),
    ...(sortLimit?.order.keys ?? []).map(([path]) => [`${where}.sort`, path] as const),
  ])
  const option = `${where}.criteria`
  const disorderOf = (what: string, path: string, { type, disorder }: ColumnForm) =>
    `${what} "${path}", but the column of the table ${collection} has the type ${type}, which ${disorder}`
  const check = (columns: Columns, query: Query, report: Report) => {
    for (const comparison of comparisonsIn(query)) {
      const { path, isOrder } = comparison
      const found = columns.find(path)
      if (!found) continue
      if ('absence' in found) {
        // Reports one name of a function alone, and hides a name that the function made of a value.
        const name = !isFunction || text.includes(path) ? JSON.stringify(path) : 'a field'
        const topic = isFunction ? `${option} function` : `${option} ${path}`
        warnings[report](topic, `${option} names ${name}, which ${found.absence}`)
        continue
      }
      if (isOrder && found.disorder !== undefined) {
        warnings[report](`${option} ${path}`, disorderOf(`${option} compares the order of`, path, found))
        continue
      }
      const odd = oddValue(found, comparison)
      if (odd === undefined) continue
      const isOfType = isOrder && hasType(found, comparison.values[0])
      const effect = isOfType ? 'their order means nothing' : 'the two never match'
      warnings[report](
        `${option} ${path}`,
        `${option} compares "${path}" with ${odd}, but the column of the table ${collection} has the type ` +
          `${found.type}, so that ${effect}: compare with ${found.form}`,
      )
    }
  }
  return (columns, query) => {
    for (const name of named) {
      const [part, path] = name
      const found = columns.find(path)
      if (!found) continue
      if (!('absence' in found)) {
        if (part !== manifestOption && found.disorder !== undefined)
          warnings.error(`${part} ${path}`, disorderOf(`${part} sorts by`, path, found))
        continue
      }
      // Searches for a near name once only, which takes long in a table of many columns.
      named.delete(name)
      // Gives a hint alone for a manifest that is ahead of a migration.
      const isLikely = found.near !== undefined && !listed.has(found.near)
      const report = part !== manifestOption || isLikely ? 'error' : 'debug'
      warnings[report](
        `${part} ${path.split('.', 1)}`,
        `${part} names ${JSON.stringify(path)}, which ${found.absence}`,
      )
    }
    check(columns, constants, 'error')
    check(columns, query, hasParams ? 'debug' : 'error')
  }
}

/** Lists a path for each field of a manifest: into the field, if the manifest is nested. */
function pathsOf(manifest: Manifest): string[] {
  if (manifest === true) return []
  return Object.entries(manifest).map(([name, inner]) => {
    const [first] = inner === true ? [] : Object.keys(inner)
    return first === undefined ? name : `${name}.${first}`
  })
}

function* comparisonsIn(query: Query): Generator<Comparison> {
  for (const [key, value] of Object.entries(query)) {
    if (LOGIC.has(key)) for (const inner of value as Query[]) yield* comparisonsIn(inner)
    else if (!key.startsWith('$')) yield* comparisonsOf(key, value)
  }
}

function* comparisonsOf(path: string, condition: unknown): Generator<Comparison> {
  if (!isOperators(condition)) {
    yield { path, values: [condition], byType: false }
    return
  }
  for (const [name, value] of Object.entries(condition)) {
    switch (name) {
      case '$eq':
      case '$ne':
        yield { path, values: [value], byType: false }
        break
      case '$in':
      case '$nin':
        yield { path, values: value as unknown[], byType: false }
        break
      case '$gt':
      case '$gte':
      case '$lt':
      case '$lte':
        yield { path, values: [value], byType: true, isOrder: true }
        break
      case '$regex':
        yield { path, values: [/./], byType: true }
        break
      case '$not':
        yield* comparisonsOf(path, value)
        break
      default:
        yield { path, values: [], byType: true }
    }
  }
}

/** Describes the first of some values if none of them can match a column; undefined otherwise. */
function oddValue(form: ColumnForm, { values, byType, isOrder }: Comparison): string | undefined {
  const { types } = form
  const may = (value: unknown) => {
    if (value instanceof RegExp) return types.includes('string')
    const json = inJson(value) as Json
    if (json === null) return true
    if (isOrder && typeof json === 'string' && form.mayOrder && !form.mayOrder(json)) return false
    return byType ? types.includes(typeof json) : form.mayEqual(json)
  }
  if (values.some(may)) return undefined
  const [first] = values
  return first === undefined ? undefined : describe(first, form)
}

function describe(value: unknown, form: ColumnForm): string {
  if (value instanceof RegExp) return 'a pattern'
  const json = inJson(value)
  const type = Array.isArray(json) ? 'list' : typeof json
  const name = type === 'string' ? 'a text' : type === 'object' ? 'an object' : `a ${type}`
  return hasType(form, value) ? `${name} of another form` : name
}

/** Checks whether a value has a type of a column's values. Their forms may still differ. */
function hasType({ types }: ColumnForm, value: unknown): boolean {
  return types.includes(typeof inJson(value))
}
