import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { refuseOption } from '../../model/unknown.ts'
import {
  type Criteria,
  canonicalQuery,
  matcher,
  type Query,
  relationsIn,
  resolveCriteria,
  startOf,
} from '../../policy/criteria.ts'
import { identityKey } from '../../policy/identity.ts'
import type { ParamValues } from '../../policy/params.ts'
import { checkRelation, type Links, parseRelation, type Relation } from '../../policy/relation.ts'
import { parseWatchedRoot, sourceOf, type WatchEntry } from '../../protocol/watched-root.ts'
import { CallbackAdapter } from '../../source/callbacks/index.ts'
import type { Adapter, CollectionHandle } from '../../source/source.ts'
import { Feed } from '../feed/feed.ts'
import type { FeedHost } from '../feed/feed-host.ts'
import { References } from '../hints/references.ts'
import { Warnings } from '../hints/warnings.ts'
import type { ServerOptions } from '../options/options.ts'
import { keyOf } from '../view/fingerprint.ts'
import type { ViewSpec } from '../view/view-spec.ts'
import { handlesOf, isHandle } from './handle.ts'
import { Moments } from './moments.ts'
import type { IdentityRelation, RelatedValues, RelationStep } from './relation-steps.ts'
import { type CallbacksSource, type CollectionSource, parseSource } from './source.ts'

/** Describes a view of a source. `makeFeed` creates the feed when the view is used. */
export type SourceView = Omit<ViewSpec, 'feed'> & {
  makeFeed: () => Feed
}

/** Describes a root that a client watches, with checked parameters. */
export interface Watched {
  readonly root: string
  readonly source: CollectionSource
  readonly params: ParamValues
  /** The length of the window; undefined for a source without an order. */
  readonly limit: number | undefined
}

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
  /** The views of sources without criteria. */
  readonly #whole = new Map<CollectionSource, SourceView>()
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

  /** Returns the feed of a root. Callbacks have a feed for each identity, and none here. */
  feedOfRoot(root: string): Feed | undefined {
    return this.#sources.flatMap((each) => (each.root === root && 'feed' in each ? [each.feed] : []))[0]
  }

  /** Checks whether the documents of a root depend on relations. */
  isRelated(root: string): boolean {
    const name = sourceOf(root)
    return this.#sources.some(
      (each) => each.root === name && each.kind === 'collection' && relationsIn(each.criteria).length > 0,
    )
  }

  /** The feeds of all adapters, also of those that only relations go through. */
  get followed(): Iterable<Feed> {
    return this.#feeds.values()
  }

  get roots(): string[] {
    return this.#sources.map(({ root }) => root)
  }

  /** The sources whose roots every client gets. */
  get #static(): readonly (CallbacksSource | CollectionSource)[] {
    return this.#sources.filter((source) => source.kind === 'callbacks' || !source.watch)
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
   * Checks a watch entry of a client.
   *
   * @throws ParticleError `INVALID_PARAMS` when no source with parameters has the name, or the parameters are
   *   wrong
   */
  async watched(entry: WatchEntry): Promise<Watched> {
    const { root, limit } = typeof entry === 'string' ? { root: entry } : entry
    const parsed = parseWatchedRoot(root)
    const name = sourceOf(root)
    const source = this.#sources.find((each) => each.root === name)
    const refuse = (sentence: string): never => {
      throw new ParticleError('INVALID_PARAMS', sentence)
    }
    if (!source) return refuse(`There is no source ${name.slice(0, 100)}`)
    if (source.kind !== 'collection' || !source.watch)
      return refuse(`The source ${name} has no params: every client has it without watching`)
    if (!parsed) {
      return refuse(
        `${root.slice(0, 200)} is no root of ${name}: its name is ${name}?{"param":value}, with texts, ` +
          'numbers and booleans alone, sorted names, and no spaces',
      )
    }
    const { watch, sortLimit } = source
    const params = await watch.params.read(parsed.params)
    if (!sortLimit || limit === undefined) return { root, source, params, limit: sortLimit?.limit }
    return { root, source, params, limit: Math.max(sortLimit.limit, Math.min(limit, watch.maxLimit)) }
  }

  /**
   * Returns the view of a watched root for an identity, or undefined when the criteria shows nothing to this
   * identity. Throws the same errors as {@link Sources.viewsOf}.
   */
  watchedView(watched: Watched, identity: Json, related?: RelatedValues): SourceView | undefined {
    const { root, source, params, limit } = watched
    const query = this.#queryOf(source, identity, (relation) => related?.valuesOf(relation), params)
    if (query === null) return undefined
    const sortLimit = source.sortLimit && { ...source.sortLimit, limit: limit ?? source.sortLimit.limit }
    return this.#collectionView({ ...source, root, sortLimit }, query)
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
    return this.#static.map((source) => {
      const { root, manifest, text } = source
      if (source.kind === 'callbacks') {
        return {
          key: keyOf([root, text, 'callbacks', identityKey(identity)]),
          root,
          manifest,
          collection: '',
          query: {},
          matches: undefined,
          sortLimit: undefined,
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
      return source.criteria === undefined
        ? this.#wholeView(source)
        : this.#collectionView(source, this.#queryOf(source, identity, valuesOf))
    })
  }

  /** Creates the view of a source without criteria once, so that connecting takes 0.95 times the CPU time. */
  #wholeView(source: CollectionSource): SourceView {
    const view = this.#whole.get(source) ?? this.#collectionView(source, {})
    this.#whole.set(source, view)
    return view
  }

  #collectionView(source: CollectionSource, query: Query | null): SourceView {
    const { root, manifest, text, sortLimit, collection, sample, feed } = source
    return {
      key: keyOf([
        root,
        text,
        collection.collectionName,
        query === null ? null : canonicalQuery(query),
        ...(sortLimit ? [sortLimit.order.text, sortLimit.limit] : []),
      ]),
      root,
      manifest,
      collection: collection.collectionName,
      query: query ?? { _id: { $in: [] } },
      // Compiles the query only for a new view. Most clients find theirs open.
      get matches() {
        if (query === null) return () => false
        return Object.keys(query).length === 0 ? undefined : matcher(query)
      },
      sortLimit,
      sample,
      makeFeed: () => feed,
    }
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
    params?: ParamValues,
  ): Query | null {
    const where = `dataSources.${root}.criteria`
    return resolveCriteria(criteria, identity, valuesOf, {
      where,
      params,
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
        refuseOption(
          `related('@${relation.start}') has a step that is neither a name nor adapter.collection(name)`,
        )
      }
      return { feed: this.feedOf(collection), collection: collection.collectionName, from, to }
    })
    this.#relations.set(relation, steps)
  }
}
