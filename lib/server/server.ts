import { randomBytes } from 'node:crypto'
import { ParticleError } from '../errors.ts'
import type { AnyIdentity } from '../policy/identity.ts'
import { parseCacheConfig } from '../policy/relation.ts'
import { formatPoint } from '../protocol/position.ts'
import { Admissions } from './auth/admission.ts'
import { AdmissionControl } from './auth/admission-control.ts'
import type { Granted } from './auth/admitted.ts'
import type { Predicate } from './auth/revocations.ts'
import { type ConnectionHost, connectionHost } from './delivery/connection-host.ts'
import type { Receiver } from './delivery/receiver.ts'
import { Log } from './feed/log.ts'
import { type ProbeHandler, probe, type Readiness, readinessOf } from './health.ts'
import { checkSetup } from './hints/setup.ts'
import { Warnings } from './hints/warnings.ts'
import { createHandler, type RequestHandler } from './http/middleware.ts'
import { numberOption } from './options/number-option.ts'
import { MAX_TIMER, type ResolvedOptions, resolveOptions, type ServerOptions } from './options/options.ts'
import { SourcePositions } from './registry/source-positions.ts'
import { Sources } from './registry/sources.ts'
import { Views } from './registry/views.ts'
import { Dependencies } from './relations/dependencies.ts'
import { LiveQueries } from './relations/live-query.ts'
import { Barriers } from './sessions/barriers.ts'
import { Handshakes } from './sessions/handshakes.ts'
import { IdentityStreams } from './sessions/identity-streams.ts'
import { Opener, type Registration, type StreamRequest } from './sessions/opener.ts'
import { Registrations } from './sessions/registrations.ts'
import { SessionRequests } from './sessions/session-requests.ts'
import { Streams } from './sessions/streams.ts'
import { Watches } from './sessions/watches.ts'
import { Shutdown } from './shutdown.ts'
import { type Stats, statsOf } from './stats.ts'
import { asError, guarded } from './support/failure.ts'
import { Faults } from './support/faults.ts'
import { Upkeep } from './upkeep.ts'

/** The time within which `drain` ends all streams by default, in milliseconds. */
const DRAIN_MS = 30_000

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
  /** @internal Ends the server. */
  readonly shutdown: Shutdown
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
  readonly #opener: Opener
  readonly #registrations: Registrations
  readonly #upkeep: Upkeep

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
      this.#refuseWhenFull(),
    )
    this.#positions = new SourcePositions(this.#sources)
    const barriers = new Barriers(this.#positions)
    this.#requests = new SessionRequests(this.#admissions, this.#streams, this.control, barriers)
    this.#host = connectionHost(this.#log, this.#admissions.positions, {
      maxBufferedBytes,
      point: () => this.#point(this.#log.head),
      left: (view, forGood) => this.#views.left(view, forGood),
      onError: failed,
    })
    const kept = {
      options: this.options,
      log: this.#log,
      views: this.#views,
      following: this.#following,
      streams: this.#streams,
    }
    this.#upkeep = new Upkeep({ ...kept, host: this.#host })
    this.shutdown = new Shutdown({ ...kept, upkeep: this.#upkeep })
    this.#opener = new Opener({
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
    this.#registrations = new Registrations(
      this.#admissions,
      this.options.onError,
      () => this.#refuseWhenFull(),
      (admitted, sink) => this.#open(() => this.#opener.register(admitted, { open: () => sink })),
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

  /** Returns figures of the server, of each root, and of each source. */
  stats(): Stats {
    return statsOf(this.#streams.size, this.#views, this.#sources, this.#log)
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
   * @returns a promise that resolves when the last stream has ended
   * @throws ParticleError `INVALID_OPTION` when `ms` is no number from 0 to 2,147,483,647
   */
  drain({ ms = DRAIN_MS }: { ms?: number } = {}): Promise<void> {
    return this.shutdown.drain(numberOption('drain({ ms })', ms, DRAIN_MS, 0, MAX_TIMER))
  }

  /** Checks whether the server can serve clients: it was not closed, and each of its sources answers. */
  readiness(): Promise<Readiness> {
    return readinessOf(this.#sources.followed, this.shutdown.begun)
  }

  /** Returns a handler that answers 200 as long as the process answers: `app.get('/healthz', ...)`. */
  healthz(): ProbeHandler {
    return probe(async () => ({ ready: true }))
  }

  /**
   * Returns a handler that answers 200 when the server can serve clients, else 503, with {@link Readiness} as
   * JSON: `app.get('/readyz', server.readyz())`.
   */
  readyz(): ProbeHandler {
    return probe(() => this.readiness())
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

  /**
   * @internal Opens a stream by its token or ticket. Resolves to the function that closes the stream; to
   *   undefined when the client has gone.
   *
   * @param browsers the values of the request's browser cookies
   */
  async openStream(
    token: string | undefined,
    browsers: readonly string[],
    request: StreamRequest,
  ): Promise<(() => void) | undefined> {
    this.#refuseWhenFull()
    const { address } = request.origin ?? {}
    if (request.origin) this.control.stream(address)
    let close: (() => void) | undefined
    try {
      close = await this.#admissions.admit(token, browsers, (admitted) =>
        this.#open(() => this.#opener.open(admitted, request)),
      )
      return close
    } finally {
      if (!close && request.origin) this.control.streamEnded(address)
    }
  }

  #open<Stream>(open: () => Stream): Stream {
    this.#refuseWhenFull()
    const stream = open()
    if (stream) this.#upkeep.start()
    return stream
  }

  #point(sequence: number, adapters: readonly string[] = this.#sources.positions): string {
    return formatPoint({ epoch: this.#epoch, sequence, adapters })
  }

  #refuseWhenFull(): void {
    this.shutdown.refuse()
    if (this.#streams.size >= this.options.maxConnections)
      throw new ParticleError('UNAVAILABLE', 'The server is full')
  }
}
