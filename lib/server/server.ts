import { randomBytes } from 'node:crypto'
import { ParticleError } from '../errors.ts'
import type { AnyIdentity } from '../policy/identity.ts'
import { parseCacheConfig } from '../policy/relation.ts'
import type { InitialModel } from '../protocol/initial.ts'
import { formatPoint } from '../protocol/position.ts'
import { Admissions } from './auth/admission.ts'
import { AdmissionControl } from './auth/admission-control.ts'
import type { Granted } from './auth/admitted.ts'
import type { Predicate } from './auth/revocations.ts'
import { type ConnectionHost, connectionHost } from './delivery/connection-host.ts'
import type { Receiver } from './delivery/receiver.ts'
import { Log } from './feed/log.ts'
import { checkSetup } from './hints/setup.ts'
import { Warnings } from './hints/warnings.ts'
import { createHandler, type RequestHandler } from './http/middleware.ts'
import { type ResolvedOptions, resolveOptions, type ServerOptions } from './options/options.ts'
import { SourcePositions } from './registry/source-positions.ts'
import { Sources } from './registry/sources.ts'
import { Views } from './registry/views.ts'
import { Dependencies } from './relations/dependencies.ts'
import { LiveQueries } from './relations/live-query.ts'
import { Barriers } from './sessions/barriers.ts'
import { Doorway } from './sessions/doorway.ts'
import { Handshakes } from './sessions/handshakes.ts'
import { IdentityStreams } from './sessions/identity-streams.ts'
import { ModelSnapshots } from './sessions/model-snapshots.ts'
import { Opener, type Registration } from './sessions/opener.ts'
import { Registrations } from './sessions/registrations.ts'
import { SessionRequests } from './sessions/session-requests.ts'
import { Streams } from './sessions/streams.ts'
import { Watches } from './sessions/watches.ts'
import { type Stats, statsOf } from './stats.ts'
import { asError, guarded } from './support/failure.ts'
import { Faults } from './support/faults.ts'
import { withTimeout } from './support/scheduling.ts'
import { Upkeep } from './upkeep.ts'

/** Limits the wait of `disconnect` for the sources, in milliseconds. */
const CLOSE_TIMEOUT_MS = 1_000

/** A request handler for Express 4 and 5, connect, and `http.createServer`, with its server. */
export type Handler<Identity = AnyIdentity> = RequestHandler & { readonly server: Server<Identity> }

/** Keeps each client's local model equal to the sources' documents that the client may see. */
export class Server<Identity = AnyIdentity> {
  /** @internal */
  readonly options: ResolvedOptions
  /** @internal Limits the requests of strangers. */
  readonly control: AdmissionControl
  /** @internal Reports errors that clients can cause again and again. */
  readonly faults: Faults
  readonly #epoch = randomBytes(6).toString('base64url')
  readonly #log: Log
  readonly #sources: Sources
  readonly #admissions: Admissions
  readonly #following: Dependencies
  readonly #views: Views
  readonly #streams: Streams
  readonly #handshakes: Handshakes
  readonly #requests: SessionRequests
  readonly #positions: SourcePositions
  readonly #identities: IdentityStreams
  readonly #host: ConnectionHost
  readonly #doorway: Doorway
  readonly #registrations: Registrations
  readonly #snapshots: ModelSnapshots
  readonly #upkeep: Upkeep
  #closing: Promise<void> | undefined

  /** @throws ParticleError `INVALID_OPTION`, `INVALID_MANIFEST` or `INVALID_QUERY` when an option is wrong */
  constructor(options: ServerOptions) {
    const resolved = resolveOptions(options)
    this.options = { ...resolved, onError: guarded(resolved.onError) }
    const { onError, diagnostics, replay, maxBufferedBytes, retry, limits } = this.options
    this.faults = new Faults(onError)
    const failed = (error: unknown, source: string) => this.faults.pass(asError(error, source))
    this.#log = new Log(replay)
    const host = {
      log: this.#log,
      adapters: () => this.#sources.positions,
      point: (sequence: number, adapters?: readonly string[]) => this.#point(sequence, adapters),
      onError: failed,
      diagnostics,
      limits,
    }
    const { dataSources, cacheConfig, dependsOn } = resolved
    const links = cacheConfig === undefined ? undefined : parseCacheConfig(cacheConfig)
    this.control = new AdmissionControl(limits, resolved.maxConnections, this.faults)
    const ofClients = { ...this.options, onError: (error: Error) => this.faults.report(error) }
    this.#sources = new Sources(dataSources, host, links)
    checkSetup(this.options, new Warnings(this.options))
    const watches = new LiveQueries(this.#log, (error) => failed(error, 'relations'))
    this.#following = new Dependencies(
      this.#sources,
      watches,
      dependsOn,
      (error) => failed(error, 'dependsOn'),
      limits.relationValues,
    )
    this.#admissions = new Admissions(ofClients, this.#sources, this.#following)
    this.#views = new Views(this.#sources, this.#log, failed, limits, diagnostics)
    const renewal = (error: unknown) => this.faults.report(asError(error, 'renewal'))
    this.#identities = new IdentityStreams(limits, this.faults)
    this.#streams = new Streams(
      this.#admissions,
      this.#views,
      new Watches(this.#sources, limits.maxWatched, (error) => this.faults.report(error)),
      this.#identities,
      renewal,
      this.#following,
    )
    this.#handshakes = new Handshakes(this.#admissions, this.#streams, this.control, diagnostics, () =>
      this.#doorway.refuseWhenFull(),
    )
    this.#positions = new SourcePositions(this.#sources)
    const barriers = new Barriers(this.#positions)
    this.#requests = new SessionRequests(this.#admissions, this.#streams, this.control, barriers)
    this.#upkeep = new Upkeep({
      interval: this.options.heartbeat,
      rest: replay.ms + 1,
      beat: () => this.#beat(),
      sweep: () => this.#sweep(),
    })
    this.#host = connectionHost(this.#log, this.#admissions.positions, {
      maxBufferedBytes,
      point: () => this.#point(this.#log.head),
      left: (view, forGood) => this.#views.left(view, forGood),
      onError: failed,
    })
    const opener = new Opener({
      admissions: this.#admissions,
      views: this.#views,
      dependencies: this.#following,
      streams: this.#streams,
      host: this.#host,
      context: { epoch: this.#epoch, log: this.#log, feeds: this.#sources.feeds },
      diagnostics,
      retry: Buffer.from(`retry: ${retry}\n\n`),
      identities: this.#identities,
      barriers,
      streamMs: limits.streamMs,
      onLeft: ({ origin }) => {
        if (origin) this.control.streamEnded(origin.address)
        if (this.#streams.size === 0) this.#upkeep.rest()
      },
    })
    this.#doorway = new Doorway({
      ...{ admissions: this.#admissions, control: this.control, streams: this.#streams, opener },
      maxConnections: resolved.maxConnections,
      closing: () => this.closing,
      onOpened: () => this.#upkeep.start(),
    })
    this.#registrations = new Registrations(
      this.#admissions,
      this.options.onError,
      () => this.#doorway.refuseWhenFull(),
      (admitted, sink) => this.#doorway.open((each) => each.register(admitted, { open: () => sink })),
    )
    this.#snapshots = new ModelSnapshots(this.#admissions, Object.keys(dataSources), (admitted, request) =>
      this.#doorway.open((each) => each.stream(admitted, request)),
    )
  }

  /**
   * Returns the handler of the server's routes, for `app.use()` of Express or connect, or
   * `http.createServer()`.
   */
  middleware(): Handler<Identity> {
    // Rejects `app.use(server.middleware)`, which would call this method with a request and without a server.
    if (!(this instanceof Server))
      throw new ParticleError('INVALID_OPTION', 'middleware makes a handler: app.use(server.middleware())')
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
  async register(
    identity: unknown,
    receiver: Receiver,
    done?: (error?: Error) => void,
  ): Promise<Registration> {
    return this.#registrations.register(identity, receiver, done)
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
  snapshot(...[identity, roots, params]: Parameters<ModelSnapshots['take']>): Promise<InitialModel> {
    return this.#snapshots.take(identity, roots, params)
  }

  /** Returns figures of the server, of each root, and of each source. */
  stats(): Stats {
    return statsOf(this.#streams.size, this.#views, this.#sources, this.#log)
  }

  /**
   * Ends all streams, stops following the sources, and runs the application's `disconnect`. Refuses clients
   * from then on (503). They reconnect by themselves to another node, or to this one after a restart.
   */
  disconnect(): Promise<void> {
    this.#closing ??= this.#disconnect()
    return this.#closing
  }

  /** @internal Whether {@link Server.disconnect} was called. */
  get closing(): boolean {
    return this.#closing !== undefined
  }

  /** @internal Answers a handshake: see {@link Handshakes.grant}. */
  grant(...handshake: Parameters<Handshakes['grant']>): Promise<Granted> {
    return this.#handshakes.grant(...handshake)
  }

  /**
   * Returns the present position of a root's source, an opaque text, for `client.reached(position)`. Ask for
   * it after a write, on any node.
   *
   * @throws ParticleError `INVALID_OPTION` for a root without a position; `SOURCE_FAILED` without an answer
   *   in 5 s
   */
  position(root: string): Promise<string> {
    return this.#positions.ask(root)
  }

  /** @internal See {@link SessionRequests.reached}. */
  reached(...request: Parameters<SessionRequests['reached']>): Promise<boolean> {
    return this.#requests.reached(...request)
  }

  /** @internal See {@link SessionRequests.watch}. */
  watch(...request: Parameters<SessionRequests['watch']>): ReturnType<SessionRequests['watch']> {
    return this.#requests.watch(...request)
  }

  /**
   * Revokes the rights of the clients that the predicate selects. Ends their open streams with a `revoked`
   * event, and refuses their tokens. The clients may present themselves again, and `identityLookup` decides.
   * Applies to this process only: call it on every node.
   *
   * @param predicate selects clients by the identity that `identityLookup` found, and by the value that the
   *   client presented
   * @param reason sent to the clients
   * @returns the number of ended streams
   */
  revoke(predicate: Predicate<Identity>, reason = 'revoked'): number {
    return this.#streams.revoke(predicate, reason)
  }

  /**
   * Runs `identityLookup` again (without a request) for the clients that the predicate selects. Clients with
   * an open stream receive the documents that they now may see, and lose those that they may not see. Other
   * clients are looked up when they reconnect with their tokens. A refused client's stream ends with
   * `revoked`. When the lookup fails, the stream ends, and the client must present itself again. Applies to
   * this process only: call it on every node.
   *
   * @param predicate selects clients by their earlier identity, and by the value that they presented;
   *   default: all
   * @returns a promise of the number of streams, which resolves when nothing more is sent under the old
   *   rights
   */
  refresh(predicate: Predicate<Identity> = () => true): Promise<number> {
    return this.#streams.refresh(predicate)
  }

  /** @internal See {@link Doorway.enter}. */
  openStream(...entry: Parameters<Doorway['enter']>): ReturnType<Doorway['enter']> {
    return this.#doorway.enter(...entry)
  }

  #sweep(): void {
    const now = Date.now()
    this.#log.trim(now)
    this.#views.sweep(now)
    this.#following.sweep()
    this.#host.catchUps.sweep()
    this.#host.readings.sweep()
  }

  #beat(): void {
    const { heartbeat, sessionTtl } = this.options
    this.#sweep()
    this.#host.ids.clear()
    this.#streams.beat(Math.max(heartbeat * 2, sessionTtl / 5))
  }

  #point(sequence: number, adapters: readonly string[] = this.#sources.positions): string {
    return formatPoint({ epoch: this.#epoch, sequence, adapters })
  }

  async #disconnect(): Promise<void> {
    // Continues one turn later, so that the end of a stream finds this promise when it asks for it.
    await Promise.resolve()
    this.#streams.end()
    this.#upkeep.stop()
    // Limits the wait. An unreachable source may not close in time for the end of the process.
    await withTimeout(Promise.all([this.#views.close(), this.#following.close()]), CLOSE_TIMEOUT_MS)
    this.#log.clear()
    try {
      await this.options.disconnect?.()
    } catch (cause) {
      this.options.onError(new ParticleError('CALLBACK_FAILED', 'disconnect failed', { cause }))
    }
  }
}
