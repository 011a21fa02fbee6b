import { Random } from '../hostile/support/random.ts'
import { shake } from '../support/http.ts'
import type { PostgresServer } from '../support/postgres.ts'
import type { RedisServer } from '../support/redis.ts'
import { Cluster } from './cluster.ts'
import { Crowd } from './crowd.ts'
import type { History } from './history.ts'
import type { Incident } from './plan.ts'
import type { CrowdReport } from './reports.ts'
import { Stores } from './stores.ts'
import { passwordOf, USERS } from './world.ts'
import { Writer } from './writer.ts'

export const NODES = 3
export const CLIENTS_PER_USER = 3
/** Names the permanent slot of PostgreSQL, which runs with an even seed have. */
const SLOT = 'chaos'
const BURST = 300

/** Says what a run begins with. */
export interface SceneOptions {
  seed: number
  postgres: PostgresServer
  redis: RedisServer
  /** Gets what clients saw. */
  take(report: CrowdReport): void
}

/** There is no nginx in front of the nodes. */
export class NoNginx extends Error {}

/** The stores, the nodes and all who use them. */
export class Scene {
  readonly stores: Stores
  readonly cluster: Cluster
  readonly writer: Writer
  readonly visitors: Crowd
  readonly intruders: Crowd
  /** Lists the tokens of users who were logged out since the last call of {@link endedTokens}. */
  #ended: string[] = []
  logouts = 0
  /** Lists incidents that failed by themselves. */
  readonly faults: string[] = []
  readonly #busy = new Set<Promise<unknown>>()

  private constructor(
    stores: Stores,
    cluster: Cluster,
    writer: Writer,
    [visitors, intruders]: [Crowd, Crowd],
  ) {
    this.stores = stores
    this.cluster = cluster
    this.writer = writer
    this.visitors = visitors
    this.intruders = intruders
  }

  /** Starts all parts. Throws {@link NoNginx} where there is none. */
  static async open({ seed, postgres, redis, take }: SceneOptions, history: History): Promise<Scene> {
    const stores = await Stores.open(postgres, redis, NODES)
    const writer = new Writer(stores, history, new Random(seed + 1))
    await writer.fill()
    const cluster = await Cluster.start(NODES, stores, seed % 2 === 0 ? SLOT : undefined)
    if ('missing' in cluster) {
      await stores.stop()
      throw new NoNginx(cluster.missing)
    }
    const ports = JSON.stringify([cluster.port, ...cluster.ports])
    const crowds: [Crowd, Crowd] = [
      await Crowd.start('visitors', [cluster.url, `${seed + 2}`], take),
      await Crowd.start('intruders', [ports, `${seed + 3}`], take),
    ]
    return new Scene(stores, cluster, writer, crowds)
  }

  /** Lets everybody in. */
  begin(): void {
    for (let index = 0; index < NODES; index++) this.cluster.order(index, { order: 'work' })
    this.visitors.open(USERS.flatMap((user) => Array<string>(CLIENTS_PER_USER).fill(user)))
    this.intruders.open()
    this.writer.start()
  }

  /** Has everybody leave. */
  async empty(): Promise<void> {
    await this.rest()
    await Promise.all([this.visitors.close(), this.intruders.close()])
  }

  /** Ends all writes and all incidents. */
  async rest(): Promise<void> {
    await Promise.all(this.#busy)
    await this.stores.settled()
    await this.cluster.settled()
    await this.writer.rest()
    for (let index = 0; index < NODES; index++) this.cluster.order(index, { order: 'rest' })
  }

  goOn(): void {
    for (let index = 0; index < NODES; index++) this.cluster.order(index, { order: 'work' })
    this.writer.start()
  }

  /** Lets an incident happen. Incidents of different parts overlap. */
  start(incident: Incident): void {
    const happening = this.#happen(incident)
      .catch((error: unknown) => void this.faults.push(`${incident.name}, which failed: ${error}`))
      .finally(() => this.#busy.delete(happening))
    this.#busy.add(happening)
  }

  /** Returns the tokens that no node may take any more, and forgets them. */
  endedTokens(): string[] {
    return this.#ended.splice(0)
  }

  async close(): Promise<void> {
    this.visitors.stop()
    this.intruders.stop()
    await this.cluster.stop()
    await this.stores.stop()
  }

  async #happen({ name, node, store, user, ms, signal }: Incident): Promise<void> {
    switch (name) {
      case 'a line stalls':
        return this.stores.stall(node, store, ms)
      case 'a line breaks':
        return this.stores.break(node, store)
      case 'a store freezes':
        return this.stores.freeze(store, ms)
      case 'postgres restarts':
        return this.stores.restart('postgres', signal)
      case 'redis restarts':
        return this.stores.restart('redis', signal)
      case 'a store loses its history':
        return this.stores.forget(store)
      case 'redis loses everything':
        return this.stores.flush()
      case 'a node is killed':
        return this.cluster.kill(node)
      case 'a node is replaced':
        return this.cluster.replace(node)
      case 'a node freezes':
        return this.cluster.freeze(node, ms)
      case 'nginx restarts':
        return this.cluster.restartNginx()
      case 'large writes come fast':
        return this.writer.burst(BURST)
      case 'rights are shuffled':
        return this.writer.shuffle()
      case 'everybody is refreshed':
        return this.cluster.order(node, { order: 'refresh' })
      case 'a user is logged out':
        return this.#logOut(node, user)
    }
  }

  /** Logs a user out of all nodes, with a token of the time before that must be worthless afterwards. */
  async #logOut(node: number, user: string): Promise<void> {
    const shaken = await shake(this.cluster.url, { user, password: passwordOf(user) }).catch(() => undefined)
    this.logouts++
    const isStored = await this.cluster.revoke(node, user)
    // What the store did not take holds on that node alone, and the caller was told.
    if (shaken && isStored) this.#ended.push(shaken.token)
  }
}
