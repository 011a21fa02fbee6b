import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { describeGiven } from '../../model/given.ts'
import { refuseUnknown } from '../../model/unknown.ts'
import {
  type Criteria,
  canonicalQuery,
  matcher,
  parseCriteria,
  type Query,
  relationsIn,
  resolveCriteria,
  startOf,
} from '../../policy/criteria.ts'
import { identityKey } from '../../policy/identity.ts'
import { type Manifest, parseManifest } from '../../policy/manifest.ts'
import { parseSortLimit, type SortLimit } from '../../policy/order.ts'
import { checkRelation, type Links, parseRelation, type Relation } from '../../policy/relation.ts'
import { CallbackAdapter, type CallbackSource, returnsNothing } from '../../source/callbacks/index.ts'
import type { Adapter, CollectionHandle } from '../../source/source.ts'
import { Feed } from '../feed/feed.ts'
import type { FeedHost } from '../feed/feed-host.ts'
import { fieldHint, listedBy } from '../hints/field-hint.ts'
import { References } from '../hints/references.ts'
import { Warnings } from '../hints/warnings.ts'
import type { ServerOptions } from '../options/options.ts'
import type { DataSource } from '../options/source-options.ts'
import type { ViewSpec } from '../view/view-spec.ts'
import { handlesOf, isHandle, MISTAKEN } from './handle.ts'
import { Moments } from './moments.ts'
import type { IdentityRelation, RelatedValues, RelationStep } from './relation-steps.ts'

/** Describes a view of a source. `makeFeed` creates the feed when the view is used. */
export type SourceView = Omit<ViewSpec, 'feed'> & {
  makeFeed: () => Feed
  /** Whether the source is followed for other views too, even without viewers of this view. */
  shared: boolean
}

interface Source {
  root: string
  manifest: Manifest
  /** The manifest as a string, which is part of the views' keys. */
  text: string
}

interface CallbacksSource extends Source {
  kind: 'callbacks'
  callbacks: CallbackSource
}

interface CollectionSource extends Source {
  kind: 'collection'
  feed: Feed
  collection: CollectionHandle
  criteria: Criteria | undefined
  sortLimit: SortLimit | undefined
  sample: ViewSpec['sample']
}

const KNOWN = ['manifest', 'collection', 'criteria', 'sort', 'limit', 'payload', 'delta'] as const
const ROOT = /^[A-Za-z_][\w-]*$/
const REFUSED_ROOTS = new Set(['__proto__', 'constructor', 'prototype'])

/** Holds the server's sources, checked at construction, and creates the views of an identity. */
export class Sources {
  /** The feeds of the adapters, in the order of the sources. Positions use the same order. */
  readonly feeds: readonly Feed[]
  /** Gives the moments of decisions about rights. */
  readonly moments: Moments
  readonly #sources: readonly (CallbacksSource | CollectionSource)[]
  readonly #host: FeedHost
  readonly #onError: (error: ParticleError) => void
  readonly #relations = new Map<Relation, readonly RelationStep[]>()
  readonly #feeds = new Map<unknown, Feed>()
  readonly #warnings: Warnings
  readonly #references: References

  /** @throws ParticleError `INVALID_OPTION`, `INVALID_MANIFEST` or `INVALID_QUERY` that names the source */
  constructor(dataSources: ServerOptions['dataSources'], host: FeedHost, links: Links = new Map()) {
    this.#host = host
    this.#onError = (error) => host.onError(error, 'source')
    this.#warnings = new Warnings({ onError: this.#onError, diagnostics: host.diagnostics })
    const feeds: Feed[] = []
    const named = (adapter: unknown, name: string) =>
      links.has(name) ||
      handlesOf(dataSources).some((handle) => handle.adapter === adapter && handle.collectionName === name)
    this.#sources = Object.entries(dataSources).map(([root, source]) =>
      parseSource(
        root,
        source,
        ({ adapter, collectionName }) => {
          const known = this.#feeds.get(adapter)
          if (known) return known
          const feed = new Feed(adapter, host, feeds.length, collectionName, this.#nameOf(adapter))
          feeds.push(feed)
          this.#feeds.set(adapter, feed)
          return feed
        },
        (relation, where, { adapter }) => {
          if (typeof relation === 'string') return parseRelation(relation, links, where)
          checkRelation(relation, (name) => named(adapter, name), where)
          return relation
        },
        this.#warnings,
      ),
    )
    this.feeds = feeds
    this.moments = new Moments(host, feeds)
    this.#references = new References(this.#criteria(), this.#warnings)
    for (const source of this.#sources) {
      if (source.kind !== 'collection') continue
      for (const relation of relationsIn(source.criteria)) this.#follow(relation, source.feed)
    }
  }

  /** Returns the feed of a collection. Positions do not include the feed of an adapter without a source. */
  feedOf({ adapter }: CollectionHandle): Feed {
    const feed =
      this.#feeds.get(adapter) ?? new Feed(adapter, this.#host, undefined, '', this.#nameOf(adapter))
    this.#feeds.set(adapter, feed)
    return feed
  }

  /** The feeds of all adapters, also of those that only relations go through. */
  get followed(): Iterable<Feed> {
    return this.#feeds.values()
  }

  get roots(): string[] {
    return this.#sources.map(({ root }) => root)
  }

  /** Identifies the stores in positions, and their order. */
  get stores(): string {
    return JSON.stringify(this.feeds.map(({ adapter }) => [adapter.name, adapter.store ?? '']))
  }

  /** Returns the positions of the feeds, in order; an empty string for a feed that was not opened yet. */
  get positions(): string[] {
    return this.feeds.map((feed) => feed.position ?? '')
  }

  /**
   * Returns the relations in the sources' criteria, with an identity's start values. Throws the same errors
   * as {@link Sources.viewsOf}.
   */
  relationsOf(identity: Json): IdentityRelation[] {
    return [...this.#relations].map(([relation, steps]) => ({
      relation,
      steps,
      start: startOf(relation, identity),
    }))
  }

  /**
   * Returns the views of an identity, by root. `related` holds the values of its relations. A criteria
   * without a possible match gives an empty view.
   *
   * @throws ParticleError `UNAUTHORIZED` when the identity has an operator in place of a value; errors of a
   *   criteria function
   */
  viewsOf(identity: Json, related?: RelatedValues): SourceView[] {
    const valuesOf = (relation: Relation) => related?.valuesOf(relation)
    this.#references.check(identity)
    return this.#sources.map((source) => {
      const { root, manifest, text } = source
      if (source.kind === 'callbacks') {
        return {
          key: JSON.stringify([root, text, 'callbacks', identityKey(identity)]),
          root,
          manifest,
          collection: '',
          query: {},
          matches: undefined,
          sortLimit: undefined,
          shared: false,
          makeFeed: () =>
            new Feed(
              new CallbackAdapter(root, source.callbacks, identity, this.#onError),
              this.#host,
              undefined,
              '',
              `callbacks:${root}`,
            ),
        }
      }
      const query = this.#queryOf(source, identity, valuesOf)
      const { sortLimit } = source
      const all = query !== null && Object.keys(query).length === 0
      return {
        key: JSON.stringify([
          root,
          text,
          source.collection.collectionName,
          query === null ? null : canonicalQuery(query),
          ...(sortLimit ? [sortLimit.order.text, sortLimit.limit] : []),
        ]),
        root,
        manifest,
        collection: source.collection.collectionName,
        query: query ?? { _id: { $in: [] } },
        matches: all ? undefined : query === null ? () => false : matcher(query),
        sortLimit,
        shared: true,
        sample: source.sample,
        makeFeed: () => source.feed,
      }
    })
  }

  *#criteria(): Generator<readonly [where: string, criteria: Criteria]> {
    for (const source of this.#sources) {
      if (source.kind === 'collection' && source.criteria)
        yield [`dataSources.${source.root}.criteria`, source.criteria]
    }
  }

  #queryOf(
    { root, criteria = {} }: CollectionSource,
    identity: Json,
    valuesOf: (relation: Relation) => readonly Json[] | undefined,
  ): Query | null {
    const where = `dataSources.${root}.criteria`
    return resolveCriteria(criteria, identity, valuesOf, {
      where,
      onUndefined: (path) =>
        this.#warnings.debug(
          where,
          `${where} gave undefined for ${path}: a client with such an identity sees nothing`,
        ),
    })
  }

  /** Names an adapter by its kind. The second adapter of a kind is `mongo:2`. */
  #nameOf({ name }: Adapter): string {
    const alike = [...this.#feeds.values()].filter(({ adapter }) => adapter.name === name).length
    return alike === 0 ? name : `${name}:${alike + 1}`
  }

  #follow(relation: Relation, own: Feed): void {
    const steps = relation.steps.map(({ collection, from, to }) => {
      if (typeof collection === 'string') return { feed: own, collection, from, to }
      if (!isHandle(collection)) {
        throw new ParticleError(
          'INVALID_OPTION',
          `related('@${relation.start}') has a step that is neither a name nor adapter.collection(name)`,
        )
      }
      return { feed: this.feedOf(collection), collection: collection.collectionName, from, to }
    })
    this.#relations.set(relation, steps)
  }
}

function parseSource(
  root: string,
  source: DataSource,
  feedOf: (collection: CollectionHandle) => Feed,
  relate: (relation: string | Relation, where: string, collection: CollectionHandle) => Relation,
  warnings: Warnings,
): CallbacksSource | CollectionSource {
  const where = `dataSources.${root}`
  const refuse = (sentence: string): never => {
    throw new ParticleError('INVALID_OPTION', `${where} ${sentence}`)
  }
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
    const criteria =
      given.criteria === undefined
        ? undefined
        : parseCriteria(given.criteria, `${where}.criteria`, (relation) =>
            relate(relation, `${where}.criteria`, collection),
          )
    if (typeof criteria === 'function' && returnsNothing(criteria)) {
      warnings.error(
        `${where}.criteria`,
        `${where}.criteria shows nothing to anybody: its block has no return; ` +
          'an arrow function returns a query by ({ ... }), in parentheses',
      )
    }
    const sortLimit = parseSortLimit(given.sort, given.limit, where)
    const sample = fieldHint(
      [
        { where: `${where}.manifest`, names: listedBy(manifest) },
        { where: `${where}.sort`, names: sortLimit?.order.fields ?? [] },
      ],
      warnings,
    )
    return {
      kind: 'collection',
      ...common,
      feed: feedOf(collection),
      collection,
      criteria,
      sortLimit,
      sample,
    }
  }
  if (typeof given.payload !== 'function')
    refuse('needs a collection, or the function payload(identity, done)')
  if (given.delta !== undefined && typeof given.delta !== 'function')
    refuse('delta must be a function (identity, listener)')
  if (given.criteria !== undefined)
    refuse('criteria goes with a collection; callbacks get the identity themselves')
  if (given.sort !== undefined || given.limit !== undefined)
    refuse('sort and limit go with a collection; callbacks give documents in an order of their own')
  return { kind: 'callbacks', ...common, callbacks: source as CallbackSource }
}
