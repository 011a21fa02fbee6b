import type { Json } from '../../model/document.ts'
import { describeGiven } from '../../model/given.ts'
import { refuseOption, refuseUnknown } from '../../model/unknown.ts'
import { type Criteria, parseCriteria } from '../../policy/criteria.ts'
import { type Manifest, parseManifest } from '../../policy/manifest.ts'
import { parseSortLimit, type SortLimit } from '../../policy/order.ts'
import { ParamsReader, type ParamValues } from '../../policy/params.ts'
import type { Relation } from '../../policy/relation.ts'
import { type CallbackSource, returnsNothing } from '../../source/callbacks/index.ts'
import type { CollectionHandle } from '../../source/source.ts'
import type { Feed } from '../feed/feed.ts'
import { columnHint } from '../hints/column-hint.ts'
import { fieldHint, listedBy } from '../hints/field-hint.ts'
import type { Warnings } from '../hints/warnings.ts'
import type { DataSource } from '../options/source-options.ts'
import type { ViewSpec } from '../view/view-spec.ts'
import { isHandle, MISTAKEN } from './handle.ts'

/** Holds the parts that all sources have. */
interface Source {
  root: string
  manifest: Manifest
  /** The manifest as a string, which is part of the views' keys. */
  text: string
}

/** Holds a source of two functions of the application. */
export interface CallbacksSource extends Source {
  kind: 'callbacks'
  callbacks: CallbackSource
}

/** Holds a source of a collection. */
export interface CollectionSource extends Source {
  kind: 'collection'
  feed: Feed
  collection: CollectionHandle
  criteria: Criteria | undefined
  sortLimit: SortLimit | undefined
  sample: ViewSpec['sample']
  /** The parameters of a source that clients watch; undefined for a root that every client gets. */
  watch: WatchRules | undefined
}

/** Describes who may watch a source, with which parameters, and up to which limit. */
export interface WatchRules {
  readonly params: ParamsReader
  readonly allow: ((identity: Json, params: ParamValues) => unknown) | undefined
  readonly maxLimit: number
}

const KNOWN = [
  'manifest',
  'collection',
  'criteria',
  'sort',
  'limit',
  'payload',
  'delta',
  'params',
  'allow',
  'maxLimit',
] as const
const ROOT = /^[A-Za-z_][\w-]*$/
const REFUSED_ROOTS = new Set(['__proto__', 'constructor', 'prototype'])

/**
 * Checks a source.
 *
 * @throws ParticleError `INVALID_OPTION`, `INVALID_MANIFEST` or `INVALID_QUERY` that names the source
 */
export function parseSource(
  root: string,
  source: DataSource,
  feedOf: (collection: CollectionHandle) => Feed,
  relate: (relation: string | Relation, where: string, collection: CollectionHandle) => Relation,
  warnings: Warnings,
): CallbacksSource | CollectionSource {
  const where = `dataSources.${root}`
  const refuse = (sentence: string): never => refuseOption(`${where} ${sentence}`)
  if (!ROOT.test(root) || REFUSED_ROOTS.has(root))
    refuse('is not a name of letters, digits, - and _ that starts with a letter')
  if (typeof source !== 'object' || source === null)
    refuse('must be { manifest, collection } or { manifest, payload, delta }')
  refuseUnknown(`${where}: option`, source, KNOWN)
  const given: { [K in (typeof KNOWN)[number]]?: unknown } = source as never
  if (source.manifest === undefined)
    refuse('has no manifest: the fields that clients may see, or true for all')
  const manifest = parseManifest(source.manifest, `${where}.manifest`)
  const common = { root, manifest, text: JSON.stringify(manifest) }
  if (given.collection !== undefined) {
    if (given.payload !== undefined || given.delta !== undefined)
      refuse('has a collection and callbacks; it is one or the other')
    const collection = given.collection as CollectionHandle
    if (!isHandle(collection)) {
      const wanted = 'adapter.collection(name), with an adapter such as memory() or mongo(database)'
      refuse(`collection must be ${wanted}, but ${describeGiven(collection, MISTAKEN)}`)
    }
    const sortLimit = parseSortLimit(given.sort, given.limit, where)
    const watch = parseWatch(given, sortLimit, where)
    const criteria =
      given.criteria === undefined
        ? undefined
        : parseCriteria(
            given.criteria,
            `${where}.criteria`,
            (relation) => relate(relation, `${where}.criteria`, collection),
            watch && (watch.params.names ?? 'any'),
          )
    if (watch && criteria === undefined) {
      warnings.error(
        `${where}.params`,
        `${where} has params and no criteria, so that each of its roots has all documents: add a criteria ` +
          `such as { ${watch.params.names?.[0] ?? 'room'}: ':${watch.params.names?.[0] ?? 'room'}' }`,
      )
    }
    if (typeof criteria === 'function' && returnsNothing(criteria)) {
      warnings.error(
        `${where}.criteria`,
        `${where}.criteria shows nothing to anybody: its block has no return; ` +
          'an arrow function returns a query by ({ ... }), in parentheses',
      )
    }
    const hint = fieldHint(
      [
        { where: `${where}.manifest`, names: listedBy(manifest) },
        { where: `${where}.sort`, names: sortLimit?.order.fields ?? [] },
      ],
      warnings,
    )
    const checkColumns = columnHint(
      {
        where,
        collection: collection.collectionName,
        manifest,
        sortLimit,
        criteria,
        hasParams: watch !== undefined,
      },
      warnings,
    )
    const sample: ViewSpec['sample'] = (documents, { isMissing, columns }, query) => {
      if (columns) checkColumns(columns, query)
      hint?.(documents)
      if (!isMissing) return
      warnings.error(
        `${where}.collection`,
        `${where}.collection: the database has no table ${JSON.stringify(collection.collectionName)}. The ` +
          'root is empty until the table is created. Is the name right?',
      )
    }
    return {
      kind: 'collection',
      ...common,
      feed: feedOf(collection),
      collection,
      criteria,
      sortLimit,
      sample,
      watch,
    }
  }
  if (typeof given.payload !== 'function')
    refuse('needs a collection, or the function payload(identity, done)')
  if (given.delta !== undefined && typeof given.delta !== 'function')
    refuse('delta must be a function (identity, listener)')
  if (given.criteria !== undefined)
    refuse('criteria goes with a collection; callbacks get the identity themselves')
  if (given.params !== undefined || given.allow !== undefined || given.maxLimit !== undefined)
    refuse('params, allow and maxLimit go with a collection')
  if (given.sort !== undefined || given.limit !== undefined)
    refuse('sort and limit go with a collection; callbacks give documents in an order of their own')
  return { kind: 'callbacks', ...common, callbacks: source as CallbackSource }
}

function parseWatch(
  { params, allow, maxLimit }: { params?: unknown; allow?: unknown; maxLimit?: unknown },
  sortLimit: SortLimit | undefined,
  where: string,
): WatchRules | undefined {
  const refuse = (sentence: string): never => refuseOption(`${where} ${sentence}`)
  if (params === undefined) {
    if (allow !== undefined || maxLimit !== undefined) refuse('has allow or maxLimit, which go with params')
    return undefined
  }
  if (allow !== undefined && typeof allow !== 'function')
    refuse('allow must be a function (identity, params) that returns true or false')
  const limit = sortLimit?.limit ?? Number.POSITIVE_INFINITY
  if (maxLimit !== undefined && !(Number.isSafeInteger(maxLimit) && Number(maxLimit) >= limit))
    refuse('maxLimit must be a whole number of at least limit, and goes with limit')
  return {
    params: new ParamsReader(params, `${where}.params`),
    allow: allow as WatchRules['allow'],
    maxLimit: maxLimit === undefined ? limit : Number(maxLimit),
  }
}
