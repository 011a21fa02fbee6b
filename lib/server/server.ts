import { refuseOption, refuseUnknown } from '../model/unknown.ts'
import type { Query } from '../policy/criteria.ts'
import type { AnyIdentity } from '../policy/identity.ts'
import type { InitialModel } from '../protocol/initial.ts'
import type { Granted } from './auth/admitted.ts'
import type { Predicate } from './auth/revocations.ts'
import type { Receiver } from './delivery/receiver.ts'
import { type ProbeHandler, probe, type Readiness, readinessOf, refuseCall } from './health.ts'
import { createHandler, type RequestHandler } from './http/middleware.ts'
import type { Inspector } from './inspector/inspector.ts'
import { numberOption } from './options/number-option.ts'
import { MAX_TIMER, type ResolvedOptions, type ServerOptions } from './options/options.ts'
import { createParts, type Parts } from './parts.ts'
import type { Doorway, Registration } from './sessions/doorway.ts'
import type { Shutdown } from './shutdown.ts'
import type { Stats } from './stats.ts'
import type { Faults } from './support/faults.ts'

/** The time within which `drain` ends all streams by default, in milliseconds. */
const DRAIN_MS = 30_000

/** A request handler for Express 4 and 5, connect, and `http.createServer`, with its server. */
export type Handler<Identity = AnyIdentity> = RequestHandler & { readonly server: Server<Identity> }

/** Keeps each client's local model equal to the sources' documents that the client may see. */
export class Server<Identity = AnyIdentity> {
  /** @internal */
  readonly options: ResolvedOptions
  /** @internal Reports errors that clients can cause again and again. */
  readonly faults: Faults
  /** @internal Ends the server. */
  readonly shutdown: Shutdown
  /** @internal Serves the inspector's pages, if the option `inspector` is set. */
  readonly inspector: Inspector | undefined
  readonly #parts: Parts

  /** @throws ParticleError `INVALID_OPTION`, `INVALID_MANIFEST` or `INVALID_QUERY` when an option is wrong */
  constructor(options: ServerOptions) {
    this.#parts = createParts(options)
    const { options: resolved, faults, shutdown, inspector } = this.#parts
    this.options = resolved
    this.faults = faults
    this.shutdown = shutdown
    this.inspector = inspector
  }

  /**
   * Returns the handler of the server's routes, for `app.use()` of Express or connect, or
   * `http.createServer()`.
   */
  middleware(): Handler<Identity> {
    // Rejects `app.use(server.middleware)`, which would call this method with a request and without a server.
    if (!(this instanceof Server)) refuseOption('middleware makes a handler: app.use(server.middleware())')
    return Object.assign(createHandler(this), { server: this })
  }

  /**
   * Connects a client of this process. Runs `identityLookup` for the identity, without a request. Then calls
   * `receiver(name, data, id)` for each event, as a browser would receive it.
   *
   * @param done called with an error when the identity is refused, otherwise without one
   * @returns a promise of the function that disconnects the client, whose `reached` serves `onRegister`
   * @throws ParticleError `UNAUTHORIZED` or `UNAVAILABLE`
   */
  register(identity: unknown, receiver: Receiver, done?: (error?: Error) => void): Promise<Registration> {
    return this.#parts.doorway.register(identity, receiver, done)
  }

  /**
   * Returns the documents of an identity and their position, as JSON for the option `initial` of a client. A
   * stream gives the same documents.
   *
   * @param identity what a client would present, or the page's request for a lookup that reads the request
   * @param roots one root, or a list of roots; default: all roots without parameters
   * @param params the parameters of a source that is watched
   * @throws ParticleError `INVALID_OPTION` for an unknown root, `TIMED_OUT` after 10 s, and a stream's errors
   */
  snapshot(...[identity, roots, params]: Parameters<Doorway['snapshot']>): Promise<InitialModel> {
    return this.#parts.doorway.snapshot(identity, roots, params)
  }

  /** Returns figures of the server, of each root, and of each source. */
  stats(): Stats {
    return this.#parts.stats()
  }

  /**
   * Ends all streams, stops following the sources, and runs the application's `disconnect`. Refuses clients
   * from then on (503). They reconnect by themselves to another node, or to this one after a restart.
   */
  disconnect(): Promise<void> {
    return this.shutdown.disconnect()
  }

  /**
   * Ends all streams, spread evenly over `ms` milliseconds (default: 30,000). Clients then come back to the
   * other nodes one after the other, and not all at once. Refuses new clients from the call on (503). Call
   * {@link Server.disconnect} afterwards.
   *
   * @returns a promise that resolves when the last stream has ended; the first call decides on the time
   * @throws ParticleError `INVALID_OPTION` when `ms` is no number from 0 to 2,147,483,647
   */
  async drain(options: { ms?: number } = {}): Promise<void> {
    if (typeof options !== 'object' || options === null)
      refuseOption('drain takes an object, such as { ms: 30_000 }')
    refuseUnknown('drain(options): option', options, ['ms'])
    await this.shutdown.drain(numberOption('drain({ ms })', options.ms, [DRAIN_MS, 0, 'ms', MAX_TIMER]))
  }

  /** Checks whether the server can serve clients: it was not closed, and each of its sources answers. */
  readiness(): Promise<Readiness> {
    return readinessOf(this.#parts.sources.followed, this.shutdown.begun, this.#parts.rights)
  }

  /** Returns a handler that answers 200 as long as the process answers: `app.get('/healthz', ...)`. */
  healthz(...none: never[]): ProbeHandler {
    refuseCall('healthz', none)
    return probe(async () => ({ ready: true }))
  }

  /**
   * Returns a handler that answers 200 when the server can serve clients, else 503, with {@link Readiness} as
   * JSON: `app.get('/readyz', server.readyz())`.
   */
  readyz(...none: never[]): ProbeHandler {
    refuseCall('readyz', none)
    return probe(() => this.readiness())
  }

  /** @internal See {@link Doorway.grant}. */
  grant(...handshake: Parameters<Doorway['grant']>): Promise<Granted> {
    return this.#parts.doorway.grant(...handshake)
  }

  /**
   * Returns the present position of a root's source, an opaque text, for `client.reached(position)`. Ask for
   * it after a write, on any node.
   *
   * @throws ParticleError `INVALID_OPTION` for a root without a position; `SOURCE_FAILED` without an answer
   *   in 5 s
   */
  position(root: string): Promise<string> {
    return this.#parts.positions.ask(root)
  }

  /** @internal See {@link Doorway.reached}. */
  reached(...request: Parameters<Doorway['reached']>): Promise<boolean> {
    return this.#parts.doorway.reached(...request)
  }

  /** @internal See {@link Doorway.watch}. */
  watch(...request: Parameters<Doorway['watch']>): ReturnType<Doorway['watch']> {
    return this.#parts.doorway.watch(...request)
  }

  /**
   * Revokes the rights of the selected clients. Ends their open streams with a `revoked` event, and refuses
   * their tokens. The clients may present themselves again, and `identityLookup` decides.
   *
   * A query on the identity (`{ userId: 7 }`) applies to all nodes, with the option `control`. The promise
   * then resolves when the store has it. A function applies to this process alone: it gets the identity that
   * `identityLookup` found, and the value that the client presented.
   *
   * @param reason sent to the clients
   * @returns the number of ended streams of this process
   * @throws ParticleError `INVALID_QUERY`; the promise rejects with `SOURCE_FAILED` when the store does not
   *   take the query within `controlTimeout`: the query then holds on this node
   */
  revoke(predicate: Predicate<Identity>, reason?: string): number
  revoke(query: Query, reason?: string): Promise<number>
  revoke(selector: Predicate<Identity> | Query, reason = 'revoked'): number | Promise<number> {
    return this.#parts.rights.revoke(selector, reason)
  }

  /**
   * Runs `identityLookup` again (without a request) for the selected clients. Clients with an open stream
   * receive the documents that they now may see, and lose those that they may not see. Other clients are
   * looked up when they reconnect with their tokens. A refused client's stream ends with `revoked`. When the
   * lookup fails, the stream ends, and the client must present itself again.
   *
   * @param selector a query or a function, as for {@link Server.revoke}; default: all clients of this process
   * @returns a promise of the number of streams of this process, which resolves when nothing more is sent
   *   under the old rights
   */
  refresh(selector: Predicate<Identity> | Query = () => true): Promise<number> {
    return this.#parts.rights.refresh(selector)
  }

  /** @internal See {@link Doorway.enter}. */
  openStream(...entry: Parameters<Doorway['enter']>): ReturnType<Doorway['enter']> {
    return this.#parts.doorway.enter(...entry)
  }
}
