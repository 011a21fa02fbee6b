import type { Json } from '../../lib/model/document.ts'
import type { WatchEntry } from '../../lib/protocol/watched-root.ts'
import type { Admission } from '../../lib/server/auth/admitted.ts'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { Held } from './held.ts'
import type { Line } from './line.ts'
import type { Manner } from './manner.ts'
import { SECRET } from './people.ts'
import {
  COLLECTION,
  type Identity,
  KINDS,
  KINDS_SOURCE,
  type Roots,
  STORES,
  type StoreName,
} from './roots.ts'
import type { Stores, Way } from './setting.ts'

/** A callback source of the application. */
export interface Callbacks {
  payload: (identity: Identity) => unknown
  delta: (identity: Identity, listener: (delta: never) => void) => unknown
}

/** What all nodes serve: the roots, and the functions of those that have some. */
export interface Served {
  roots: Roots
  callbacks: ReadonlyMap<string, Callbacks>
}

export type NodeOptions = Pick<
  ServerOptions,
  'identityLookup' | 'maxBufferedBytes' | 'replay' | 'sessionTtl' | 'heartbeat' | 'onError'
>

/** What a client watches, and what it watched at the position that it presents. */
export interface Watching {
  watch: readonly WatchEntry[]
  held: readonly WatchEntry[]
}

/** The node could not be reached, or went away meanwhile. */
export class NetworkError extends Error {}

/** One process of the application, as far as Particle knows: a server, and its own way to the stores. */
export class Node {
  readonly name: string
  held: Readonly<Record<StoreName, Held>>
  server: Server
  up = true
  readonly #stores: Stores
  #way: Way
  readonly #manner: Manner
  readonly #served: Served
  readonly #options: NodeOptions
  readonly #lines = new Set<Line>()
  readonly #endings = new Set<Promise<void>>()
  readonly #past: Held[] = []

  constructor(name: string, stores: Stores, manner: Manner, served: Served, options: NodeOptions) {
    this.name = name
    this.#stores = stores
    this.#manner = manner
    this.#served = served
    this.#options = options
    this.#way = stores.way()
    this.held = this.#hold()
    this.server = this.#serve()
  }

  /** A new process in the place of the one that went. */
  start(): void {
    if (this.up) return
    this.up = true
    this.#past.push(...STORES.map((store) => this.held[store]))
    this.#way = this.#stores.way()
    this.held = this.#hold()
    this.server = this.#serve()
  }

  /** The process goes: having ended its streams, or, killed, without a word. */
  stop(killed: boolean): void {
    if (!this.up) return
    this.up = false
    if (killed) for (const line of this.#lines) line.cut(true)
    this.#lines.clear()
    const way = this.#way
    const ending = this.server
      .disconnect()
      .then(() => way.close())
      .finally(() => this.#endings.delete(ending))
    this.#endings.add(ending)
  }

  /** What follows a store for it breaks off. Returns whether it can. */
  interrupt(store: StoreName, lost: boolean, events: number): boolean {
    this.#way.interrupt?.(store, lost, events)
    return this.#way.interrupt !== undefined
  }

  /** Whether a process of it is still ending. */
  get ending(): boolean {
    return this.#endings.size > 0
  }

  /** Finds out where its stores are now. */
  async mark(): Promise<void> {
    await Promise.all(STORES.map((store) => this.held[store].mark()))
  }

  /** Whether changes of before the mark are still under way to it. */
  get behind(): boolean {
    return this.up && STORES.some((store) => this.held[store].behind)
  }

  /** Ends for good; resolves to what was left behind, in sentences. */
  async end(): Promise<string[]> {
    const { connections, views } = this.server.stats()
    this.stop(false)
    await Promise.all(this.#endings)
    const followers = [...this.#past, this.held.first, this.held.second].reduce(
      (sum, held) => sum + held.followers,
      0,
    )
    const left: [number, string][] = [
      [connections, 'connections'],
      [views, 'views'],
      [followers, 'subscriptions'],
    ]
    return left
      .filter(([count]) => count > 0)
      .map(([count, what]) => `${this.name} still has ${count} ${what}`)
  }

  async grant(given: object, previous: string | undefined) {
    const { server } = this
    if (!this.up) throw new NetworkError()
    const granted = await server.grant(given as never, undefined, previous)
    if (server !== this.server || !this.up) throw new NetworkError()
    return granted
  }

  /** Changes what the session's stream watches. Resolves to the refused roots; to undefined where the stream is not here. */
  async watch(
    token: string,
    add: readonly WatchEntry[],
    remove: readonly string[],
  ): Promise<readonly { root: string }[] | undefined> {
    const { server } = this
    if (!this.up) throw new NetworkError()
    const { live, refused } = await server.watch({ token, browsers: [], address: undefined }, add, remove)
    if (server !== this.server || !this.up) throw new NetworkError()
    return live ? refused : undefined
  }

  /** Opens a stream; resolves to the identity that it is opened for. */
  async attach(token: string, position: string, line: Line, watching: Watching): Promise<Identity> {
    const { server } = this
    if (!this.up) throw new NetworkError()
    let identity: Json = {}
    const open = (admission: Admission | undefined) => {
      identity = admission?.identity ?? {}
      if (server !== this.server || !this.up || !line.live) throw new NetworkError()
      line.opened()
      return line
    }
    const onClose = (close: () => void) => {
      this.#lines.add(line)
      line.gone = () => {
        this.#lines.delete(line)
        close()
      }
    }
    await server.openStream(token, [], { position: position || undefined, ...watching, open, onClose })
    return identity as unknown as Identity
  }

  #hold(): Record<StoreName, Held> {
    return {
      first: new Held(this.#way.adapter('first'), this.#manner),
      second: new Held(this.#way.adapter('second'), this.#manner),
    }
  }

  #serve(): Server {
    const { held } = this
    const dataSources = Object.fromEntries(
      Object.entries(this.#served.roots).map(([name, { manifest, store, criteria, first, kind }]) => {
        const callbacks = this.#served.callbacks.get(name)
        if (callbacks) return [name, { manifest, payload: callbacks.payload, delta: callbacks.delta }]
        const collection = { adapter: held[store], collectionName: COLLECTION }
        if (kind !== undefined) return [KINDS, { ...KINDS_SOURCE, collection }]
        return [name, { manifest, collection, criteria, sort: first?.sort, limit: first?.limit }]
      }),
    )
    return new Server({ ...this.#options, secret: SECRET, dataSources })
  }
}
