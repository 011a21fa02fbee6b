import type { Document, Id } from '../../model/document.ts'
import { canonical, toJson } from '../../model/json.ts'
import { invalidOption } from '../../model/unknown.ts'
import { HostSharing, type HostSource } from '../host/index.ts'
import { SharedAdapters } from '../shared-adapters.ts'
import type {
  Adapter,
  ChangeListener,
  EachBatch,
  Query,
  Reading,
  ReadOptions,
  Subscription,
} from '../source.ts'
import { checkClient, type RedisClient } from './client.ts'
import { RedisCollection } from './collection.ts'
import { KeyspaceFeed } from './keyspace.ts'
import { type CollectionOptions, Mapping } from './mapping.ts'
import { type RedisOptions, type Settings, settingsOf } from './options.ts'
import { lookupDocuments, readDocuments } from './read.ts'
import { StreamFeed } from './stream.ts'

/**
 * Adapts a Redis database as a source. Made by {@link redis}.
 *
 * With a stream, positions are the ids of its entries (`<milliseconds>-<sequence>`), the same on every
 * process that follows the stream. Without a stream, positions are valid in this process only.
 */
export class RedisAdapter implements Adapter {
  readonly name = 'redis'
  readonly store?: string
  /** True without a stream: an expired key is missing in reads before its notification arrives. */
  readonly readsAhead: boolean
  /**
   * Returns the position of a number of milliseconds ago. Only with a stream, because notifications leave no
   * history.
   */
  readonly past?: (milliseconds: number) => Promise<string>
  readonly #client: RedisClient
  readonly #settings: Settings
  readonly #collections = new Map<string, { collection: RedisCollection; mapping: Mapping }>()
  readonly #feed: StreamFeed | KeyspaceFeed
  readonly #host: HostSharing | undefined

  /** Use `redis(client, options)`. */
  constructor(client: RedisClient, settings: Settings) {
    this.#client = client
    this.#settings = settings
    const { stream, maxLength, database, prefix, oncePerHost } = settings
    const mappings = () => [...this.#collections.values()].map(({ mapping }) => mapping)
    this.readsAhead = !stream
    if (stream) {
      const feed = new StreamFeed({ client, ...stream, maxLength, mappings })
      this.#feed = feed
      this.store = `${database}:${stream.key}`
      this.past = async (milliseconds) => await feed.past(milliseconds)
    } else {
      this.#feed = new KeyspaceFeed({ client, database, prefix, mappings })
    }
    const source: HostSource = {
      key: () => {
        const collections = mappings().map(({ name, options }) => canonical(toJson([name, options])))
        return canonical(toJson([this.name, addressOf(client), this.store, prefix, collections.sort()]))
      },
      open: (listener, from, signal) => this.#feed.open(listener, from, signal),
      compare: (a, b) => this.#feed.compare(a, b),
    }
    this.#host = oncePerHost ? new HostSharing(source, oncePerHost) : undefined
  }

  /**
   * Returns the collection of this name, always the same object for the same name: the documents under its
   * prefix, for a data source's `collection` and for writes. `T` is the type of its documents. The options of
   * the first call count; another call may repeat them or leave them out.
   *
   * @throws ParticleError `INVALID_OPTION`, also if the prefix overlaps with that of another collection
   */
  collection<T extends object = Document>(name: string, options?: CollectionOptions): RedisCollection<T> {
    const known = this.#collections.get(name)
    if (!known) return this.#add(name, options === undefined ? {} : options).collection as RedisCollection<T>
    if (options !== undefined && canonical(toJson(options)) !== canonical(toJson(known.mapping.options))) {
      throw invalidOption(
        `The collection ${name} has other options already: repeat them, or leave the options out`,
      )
    }
    return known.collection as RedisCollection<T>
  }

  /**
   * Starts to follow the changes, on separate connections. Rejects if the client is not connected, its user
   * lacks a privilege, the stream's key has another type, or notifications are off and can't be turned on.
   * Reports other failures to `listener.error` and tries again.
   */
  async open(listener: ChangeListener, from?: string, signal?: AbortSignal): Promise<Subscription> {
    return await (this.#host ?? this.#feed).open(listener, from, signal)
  }

  compare(a: string, b: string): number {
    return this.#feed.compare(a, b)
  }

  async read(collection: string, query: Query, each: EachBatch, options?: ReadOptions): Promise<Reading> {
    const mapping = this.#mapping(collection)
    const from = await this.#feed.before(mapping)
    await readDocuments(this.#client, mapping, query, each, options)
    return { from, to: await this.#feed.after() }
  }

  async lookup(collection: string, ids: readonly Id[]): Promise<{ documents: Document[]; position: string }> {
    const documents = await lookupDocuments(this.#client, this.#mapping(collection), ids)
    return { documents, position: await this.#feed.after() }
  }

  async append(collection: string, { _id, ...document }: Document): Promise<void> {
    await this.collection(collection).set(_id as Id, document)
  }

  async discard(collection: string, ids: readonly Id[]): Promise<void> {
    await Promise.all(ids.map((id) => this.collection(collection).delete(id)))
  }

  #mapping(name: string): Mapping {
    return (this.#collections.get(name) ?? this.#add(name, {})).mapping
  }

  #add(name: string, options: CollectionOptions): { collection: RedisCollection; mapping: Mapping } {
    const mapping = new Mapping(name, this.#settings.prefix, options)
    for (const [other, { mapping: known }] of this.#collections) {
      if (known.prefix.startsWith(mapping.prefix) || mapping.prefix.startsWith(known.prefix)) {
        throw invalidOption(
          `The prefixes of the collections ${name} and ${other} overlap: ${mapping.prefix} and ` +
            `${known.prefix}. Give each collection a prefix that starts no other prefix`,
        )
      }
    }
    const entry = { mapping, collection: new RedisCollection(this, this.#client, mapping, this.#settings) }
    this.#collections.set(name, entry)
    this.#host?.renew()
    return entry
  }
}

/** Returns the server that a client connects to. */
function addressOf({ options }: RedisClient): unknown {
  const { host, port, path } = (options?.socket ?? {}) as { host?: string; port?: number; path?: string }
  return { host: host ?? 'localhost', port: port ?? 6379, path: path ?? '' }
}

const adapters = new SharedAdapters<RedisClient, Settings, RedisAdapter>('redis(client, options)')

/**
 * Adapts a Redis database as a source. The same client with the same options gives the same adapter, so that
 * a process follows the database once.
 *
 *     const client = await createClient().on('error', console.error).connect()
 *     const db = redis(client, { stream: 'changes' })
 *     const users = db.collection('users', { fields: { visits: 'number' } })
 *     new Server({ dataSources: { users: { manifest: true, collection: users } } })
 *     await users.update('ann', { visits: 5 })
 *
 * @throws ParticleError `INVALID_OPTION`
 */
export function redis(client: RedisClient, options: RedisOptions = {}): RedisAdapter {
  checkClient(client)
  const settings = settingsOf(client, options)
  const key = canonical(toJson(settings))
  return adapters.get(client, key, options, settings, () => new RedisAdapter(client, settings))
}
