import cluster from 'node:cluster'
import { refuseOption } from '../../model/unknown.ts'
import { referencesIn } from '../../policy/criteria.ts'
import { isPlain } from '../../policy/query.ts'
import { readsOfParameter, returnsNothing, usesParameter } from '../../source/callbacks/index.ts'
import type { ResolvedOptions } from '../options/options.ts'
import type { Warnings } from './warnings.ts'

/** Lists the fields that requests have because of their cookies. */
const BY_COOKIE = ['session', 'cookies', 'signedCookies', 'user', 'isAuthenticated']

/**
 * Warns of valid options that together have an unwanted effect.
 *
 * @throws ParticleError `INVALID_OPTION` when a criteria uses the identity, and there is no `identityLookup`
 */
export function checkSetup(options: ResolvedOptions, warnings: Warnings): void {
  const { secret, identityLookup, allowOrigin, dataSources } = options
  if (Object.keys(dataSources).length === 0)
    warnings.error('dataSources', 'dataSources is empty, so that clients get no documents: name a root in it')
  for (const [root, source] of Object.entries(dataSources)) {
    const { criteria, params } = source as { criteria?: unknown; params?: unknown }
    const text = params === undefined ? paramIn(criteria) : undefined
    if (text !== undefined) {
      warnings.error(
        `${root} ${text}`,
        `dataSources.${root}.criteria compares with the text "${text}", since the source has no params: ` +
          `add params: { ${text.slice(1)}: 'string' } for a parameter`,
      )
    }
    for (const { field, name } of bareOperators(criteria)) {
      warnings.error(
        `${root} ${field}`,
        `dataSources.${root}.criteria compares "${field}" with an object or a list that has "${name}": ` +
          `"$${name}" was perhaps meant`,
      )
    }
  }
  const manager = cluster.isWorker
    ? 'This process is a worker of a cluster'
    : process.env.NODE_APP_INSTANCE === undefined
      ? undefined
      : 'PM2 runs this process'
  if (secret === undefined && manager !== undefined) {
    warnings.error(
      'secret',
      `${manager}, and the option secret is not set. Each process then has a secret of its own, so that ` +
        'other processes answer its clients with 401: give all processes the same secret',
    )
  }
  if (!identityLookup) {
    refuseReferences(dataSources)
    return
  }
  if (returnsNothing(identityLookup) && !usesParameter(identityLookup, 2)) {
    warnings.error(
      'identityLookup',
      'identityLookup refuses everybody: its block has no return, and it does not use done; ' +
        'an arrow function returns an object by ({ ... }), in parentheses',
    )
  }
  const [name] = readsOfParameter(identityLookup, 3, BY_COOKIE)
  if (name !== undefined && allowOrigin.length === 1 && allowOrigin[0] === '*') {
    warnings.error(
      'allowOrigin',
      `allowOrigin is "*", for which browsers send no cookies, and identityLookup reads request.${name}, ` +
        'which comes by a cookie: list the origins of the pages in allowOrigin',
    )
  }
}

/** Refuses criteria that use the identity without a lookup, since the identity is then always `{}`. */
function refuseReferences(dataSources: Record<string, unknown>): void {
  for (const [root, source] of Object.entries(dataSources)) {
    const [name] = referencesIn((source as { criteria?: unknown } | null)?.criteria)
    if (name !== undefined)
      refuseOption(
        `dataSources.${root}.criteria takes "@${name}" from the identity, ` +
          `but there is no identityLookup; write "@@${name}" for the text itself`,
      )
  }
}

/** Finds a text of a criteria that looks like a parameter. */
function paramIn(criteria: unknown): string | undefined {
  if (typeof criteria === 'string') return /^:[A-Za-z_]\w*$/.test(criteria) ? criteria : undefined
  const values = Array.isArray(criteria) ? criteria : isPlain(criteria) ? Object.values(criteria) : []
  for (const value of values) {
    const text = paramIn(value)
    if (text !== undefined) return text
  }
  return undefined
}

/** Lists the names of operators that hardly any document has as fields. */
const BARE: ReadonlySet<string> = new Set([
  'in',
  'nin',
  'eq',
  'ne',
  'gt',
  'gte',
  'lt',
  'lte',
  'elemMatch',
  'exists',
])
const BARE_LISTS: ReadonlySet<string> = new Set(['and', 'or', 'nor'])

/**
 * Finds operators of a criteria without their `$`. Such an operator is read as a field, and matches nothing.
 */
function bareOperators(criteria: unknown): { field: string; name: string }[] {
  if (Array.isArray(criteria)) return criteria.flatMap(bareOperators)
  if (!isPlain(criteria)) return []
  return Object.entries(criteria).flatMap(([field, value]) => {
    if (field.startsWith('$')) return bareOperators(value)
    if (BARE_LISTS.has(field) && Array.isArray(value) && value.every(isPlain)) return [{ field, name: field }]
    const names = isPlain(value) ? Object.keys(value) : []
    return names.length > 0 && names.every((name) => BARE.has(name)) ? [{ field, name: names[0] ?? '' }] : []
  })
}
