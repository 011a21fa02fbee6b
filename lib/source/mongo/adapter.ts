import type { Document as BsonDocument, Db, MongoClient, Timestamp } from 'mongodb'
import type { Document, Id } from '../../model/document.ts'
import { invalidOption, refuseUnknown } from '../../model/unknown.ts'
import { persist } from '../backoff.ts'
import { checkOncePerHost, HostSharing, type HostSource, type OncePerHost } from '../host/index.ts'
import { SharedAdapters } from '../shared-adapters.ts'
import type {
  Adapter,
  ChangeListener,
  CollectionHandle,
  EachBatch,
  Query,
  ReadOptions,
  Subscription,
} from '../source.ts'
import { bsonToJson } from './bson.ts'
import { connected, explain } from './connecting.ts'
import { checkDatabase, type DriverDatabase } from './database.ts'
import { checkFollowable } from './followable.ts'
import { Following } from './following.ts'
import { IdKinds } from './id-kinds.ts'
import { checkPipeline, checkReported } from './pipeline.ts'
import { ALL, comparePositions, formatPosition, parsePosition } from './position.ts'
import { type ReadRequest, readDocuments } from './read.ts'
import {
  askPresent,
  askServer,
  type Beginning,
  isHopeless,
  oldestTime,
  type ServerFacts,
  serverTime,
} from './server.ts'
import { type ClusterTime, clusterTime, compareTimes, laterTime } from './time.ts'

/** Options of {@link mongo}. */
export interface MongoOptions {
  /**
   * `$match` stages for the change stream, to leave out busy collections that Particle does not read. A
   * collection that Particle reads is refused with `INVALID_OPTION` if the stages leave its changes out.
   */
  pipeline?: BsonDocument[]
  /** The time that the server waits for a change before an empty answer, in milliseconds. Default: 200. */
  maxAwaitTimeMS?: number
  /**
   * Reads the change stream once per host instead of once per process: `true`, or a folder for the socket of
   * the processes. Default: `false`.
   */
  oncePerHost?: OncePerHost
}

/**
 * Adapts a MongoDB database as a source: one change stream for the whole database, whatever the number of
 * collections and clients. Made by {@link mongo}.
 *
 * Positions are `<seconds>.<increment>.<ordinal>`: a cluster time, and the index of an event at that time (a
 * transaction has many). They are the same on every process that follows the database with the same pipeline.
 */
export class MongoAdapter implements Adapter {
  readonly name = 'mongo'
  /**
   * The database's name, and the pipeline if there is one: the ordinals of positions depend on the events
   * that the pipeline lets through.
   */
  readonly store: string
  /** The database. */
  readonly db: Db
  readonly #client: MongoClient
  readonly #options: Required<MongoOptions>
  readonly #following = new Set<Following>()
  readonly #collections = new Set<string>()
  readonly #ids: IdKinds
  readonly #host: HostSharing | undefined
  #oldest: { time: ClusterTime; until: number } | undefined

  constructor(client: MongoClient, db: Db, options: Required<MongoOptions>) {
    this.#client = client
    this.db = db
    this.#options = options
    this.#ids = new IdKinds(db, (error) => {
      for (const following of this.#following) following.warn(error)
    })
    const { pipeline, oncePerHost } = options
    this.store =
      pipeline.length === 0 ? db.databaseName : `${db.databaseName} ${JSON.stringify(bsonToJson(pipeline))}`
    const source: HostSource = {
      key: () => JSON.stringify([this.name, addressOf(client), this.store, [...this.#collections].sort()]),
      open: (listener, from, signal) => this.#open(listener, from, signal),
      compare: comparePositions,
      reach: (position) => void this.#reach(position),
    }
    this.#host = oncePerHost ? new HostSharing(source, oncePerHost) : undefined
  }

  /**
   * Returns a collection of the database, for a data source's `collection`. `T` is the type of its documents,
   * as in the driver's `db.collection<T>(name)`.
   */
  collection<T extends object = Document>(name: string): CollectionHandle<T> {
    this.#know(name)
    return { adapter: this, collectionName: name }
  }

  /**
   * Starts to follow the database. Rejects with `NO_REPLICA_SET` on a standalone server, and with the
   * driver's error when the user may not do so; other failures are reported to `listener.error` and tried
   * again.
   */
  async open(listener: ChangeListener, from?: string, signal?: AbortSignal): Promise<Subscription> {
    return await (this.#host?.open(listener, from, signal) ?? this.#open(listener, from, signal))
  }

  async #open(listener: ChangeListener, from?: string, signal?: AbortSignal): Promise<Subscription> {
    const failed = (error: unknown) => listener.error(error)
    const retried = <T>(ask: () => Promise<T>) => persist(ask, isHopeless, failed, signal)
    const facts = await retried(() => connected(this.#client, () => askServer(this.db)))
    const now = clusterTime(facts.now)
    const place = from === undefined ? undefined : parsePosition(from)
    const kept = place !== undefined && (await retried(() => this.#isKept(place.time, facts)))
    const start = kept ? await beginningAt(place.time) : await retried(() => askPresent(this.db))
    signal?.throwIfAborted()
    const position = from !== undefined && kept ? from : formatPosition(start.time, ALL)
    const following = new Following(
      {
        client: this.#client,
        db: this.db,
        ...this.#options,
        start,
        position,
        replays: kept,
        expanded: facts.expanded,
        sharded: facts.sharded,
        collections: () => [...this.#collections],
        ids: this.#ids,
        present: () => askPresent(this.db),
      },
      listener,
    )
    this.#following.add(following)
    // Waits for the server to accept the stream: only then is it known that the history reaches back to
    // `from`.
    const giveUp = () => void following.close(signal?.reason)
    signal?.addEventListener('abort', giveUp)
    try {
      if (kept) await following.opened
    } catch (error) {
      this.#following.delete(following)
      throw error
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
    following.announce()
    const head = formatPosition(now, ALL)
    const begin = following.startPosition
    return {
      position: begin,
      head: comparePositions(head, begin) < 0 ? begin : head,
      close: async () => {
        this.#following.delete(following)
        await following.close()
      },
    }
  }

  /**
   * Returns the position of a number of milliseconds ago, or of the oplog's oldest entry if that is later and
   * readable (`local.oplog.rs`). With an unreadable, shorter oplog, `open` starts from now.
   */
  async past(milliseconds: number): Promise<string> {
    const { now, sharded } = await connected(this.#client, () => askServer(this.db))
    const wanted = { t: Math.max(1, clusterTime(now).t - Math.ceil(milliseconds / 1000)), i: 0 }
    const oldest = sharded ? undefined : await this.#askOldest()
    return formatPosition(oldest ? laterTime(oldest, wanted) : wanted, ALL)
  }

  compare(a: string, b: string): number {
    return comparePositions(a, b)
  }

  /**
   * Reads documents, as the contract says.
   * @throws ParticleError `INVALID_OPTION` if MongoDB reports no changes of the collection, for example of a
   *   view
   */
  async read(
    collection: string,
    query: Query,
    each: EachBatch,
    first?: ReadOptions,
  ): Promise<{ from: string; to: string }> {
    // Skips the check for a query without documents, which asks for the position alone.
    if (!asksNothing(query)) await connected(this.#client, () => checkFollowable(this.db, collection))
    return this.#read({ collection, query, first }, each)
  }

  async #read(
    wanted: Pick<ReadRequest, 'collection' | 'query' | 'first' | 'ids'>,
    each: EachBatch,
  ): Promise<{ from: string; to: string }> {
    const { collection } = wanted
    this.#know(collection)
    // Starts at the open stream's position, which a majority has committed. A ping's time may not be
    // committed yet. A question for the position waits for that: a write may have been acknowledged by one
    // member.
    const [following] = asksNothing(wanted.query) ? [] : this.#following
    const now = () => connected(this.#client, () => serverTime(this.db))
    const [shared] = asksNothing(wanted.query) ? [] : (this.#host?.positions ?? [])
    const from = following?.position ?? shared ?? formatPosition(clusterTime(await now()), ALL)
    const place = parsePosition(from)
    const { Timestamp } = await import('mongodb')
    const after: Timestamp | undefined = place && new Timestamp(place.time)
    const onId = (id: unknown) => void this.#ids.note(collection, id)
    const request = { ...wanted, client: this.#client, db: this.db, after, onId }
    const time = await readDocuments(request, each).catch(explain)
    // Ignores a failed search, which is no reason to fail the read.
    void this.#ids.search(collection).catch(() => {})
    const to = time ? formatPosition(clusterTime(time), ALL) : from
    this.#host?.reach(to)
    if (time) await this.#reach(to)
    return { from, to: comparePositions(to, from) < 0 ? from : to }
  }

  /** Brings the open streams of this process to a position. */
  async #reach(position: string): Promise<void> {
    const { Timestamp } = await import('mongodb')
    const place = parsePosition(position)
    const time = place && new Timestamp(place.time)
    if (time) await Promise.all([...this.#following].map((one) => one.reach(time).catch(() => {})))
  }

  #know(collection: string): void {
    if (this.#collections.has(collection)) return
    checkReported(this.#options.pipeline, this.db.databaseName, collection)
    this.#collections.add(collection)
    this.#host?.renew()
  }

  async append(collection: string, document: Document): Promise<void> {
    // Waits for the majority, whose history the change streams of all nodes tell.
    await this.db
      .collection(collection)
      .insertOne(document as BsonDocument, { writeConcern: { w: 'majority' } })
  }

  async discard(collection: string, ids: readonly Id[]): Promise<void> {
    await this.db.collection(collection).deleteMany({ _id: { $in: ids as never[] } })
  }

  async lookup(collection: string, ids: readonly Id[]): Promise<{ documents: Document[]; position: string }> {
    const documents: Document[] = []
    const query = { _id: { $in: ids } }
    const { to } = await this.#read({ collection, query, ids }, (batch) => {
      documents.push(...batch)
    })
    return { documents, position: to }
  }

  /**
   * Checks that the stream can begin at a time. MongoDB refuses a time before its oplog (error 286), but
   * waits at a time in the future. SecantusDB silently begins at its oldest entry. If the oplog is not
   * readable, the server's answer counts.
   */
  async #isKept(time: ClusterTime, { now, sharded }: ServerFacts): Promise<boolean> {
    if (sharded) return time.t <= clusterTime(now).t + ROUTERS_APART_S
    if (compareTimes(time, clusterTime(now)) > 0) return false
    const known = this.#oldest
    if (known && Date.now() < known.until && compareTimes(known.time, time) <= 0) return true
    const oldest = await this.#askOldest()
    return !oldest || compareTimes(oldest, time) <= 0
  }

  async #askOldest(): Promise<ClusterTime | undefined> {
    const time = await oldestTime(this.#client)
    this.#oldest = time && { time, until: Date.now() + OLDEST_KEPT_MS }
    return time
  }
}

/** Limits the difference between the latest times of two routers. */
const ROUTERS_APART_S = 60
/** The longest time that MongoDB takes, in milliseconds. */
const LONGEST_MS = 2 ** 31 - 1
/** The time to trust the oplog's oldest entry, in milliseconds. */
const OLDEST_KEPT_MS = 5000

/** Returns the servers that a client connects to, without its credentials. */
function addressOf({ options }: MongoClient): unknown {
  return [options.srvHost ?? options.hosts.map(String), options.replicaSet]
}

function asksNothing(query: Query): boolean {
  const { $in } = (query._id ?? {}) as { $in?: unknown }
  return Array.isArray($in) && $in.length === 0
}

async function beginningAt(time: ClusterTime): Promise<Beginning> {
  const { Timestamp } = await import('mongodb')
  return { begin: { startAtOperationTime: new Timestamp(time) }, time }
}

const adapters = new SharedAdapters<MongoClient, Required<MongoOptions>, MongoAdapter>('mongo(db, options)')

/**
 * Adapts a database as a source. The same database of the same client gives the same adapter, so that a
 * process has one change stream per database. A later call may repeat the options, or leave them out.
 *
 *     const db = mongo(client.db('app'))
 *     new Server({ dataSources: { users: { manifest: true, collection: db.collection('users') } } })
 *
 * @param db a database: `client.db('name')` of `mongodb` 6 or 7, or `mongoose.connection.db` once mongoose is
 *   connected
 * @throws ParticleError `INVALID_OPTION` for anything else (a connection, a client, a model), for unknown
 *   options, and for other options than those of the first call
 */
export function mongo(db: DriverDatabase, options: MongoOptions = {}): MongoAdapter {
  checkDatabase(db)
  refuseUnknown('mongo(db, options): option', options, ['pipeline', 'maxAwaitTimeMS', 'oncePerHost'])
  checkPipeline(options.pipeline ?? [])
  checkOncePerHost('mongo(db, options):', options.oncePerHost)
  const settings = {
    pipeline: options.pipeline ?? [],
    maxAwaitTimeMS: options.maxAwaitTimeMS ?? 200,
    oncePerHost: options.oncePerHost ?? false,
  }
  const { maxAwaitTimeMS } = settings
  if (!Number.isInteger(maxAwaitTimeMS) || maxAwaitTimeMS < 0 || maxAwaitTimeMS > LONGEST_MS)
    throw invalidOption('mongo(db, options): maxAwaitTimeMS must be a whole number of milliseconds')
  const make = () => new MongoAdapter(db.client, db, settings)
  return adapters.get(db.client, db.databaseName, options, settings, make)
}
