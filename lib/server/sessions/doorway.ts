import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../../errors.ts'
import type { Json } from '../../model/document.ts'
import { toJson } from '../../model/json.ts'
import type { InitialModel } from '../../protocol/initial.ts'
import { isWatchedRoot, type Params, type WatchEntry } from '../../protocol/watched-root.ts'
import { addressOf } from '../auth/address.ts'
import type { Admissions } from '../auth/admission.ts'
import type { AdmissionControl } from '../auth/admission-control.ts'
import type { Admission, Admitted, Credentials, Granted } from '../auth/admitted.ts'
import { Revocations } from '../auth/revocations.ts'
import { checkReceiver, type Receiver } from '../delivery/receiver.ts'
import { ReceiverSink } from '../delivery/sink.ts'
import type { ResolvedOptions } from '../options/options.ts'
import { since } from '../support/diagnostics.ts'
import { fingerprintsOf } from '../view/fingerprint.ts'
import type { Barriers } from './barriers.ts'
import { ModelReader } from './model-reader.ts'
import { closeOf, type Opener, type StreamRequest } from './opener.ts'
import { isRequest, namesOf, type SnapshotRoots } from './snapshot-roots.ts'
import type { Stream } from './stream.ts'
import type { Streams } from './streams.ts'
import { entryOf, type Refusal } from './watches.ts'

/**
 * Closes a stream of a client of this process, reports positions to it (see `Barriers`), and changes its
 * watched roots (see `StreamViews.watch`), which it returns.
 */
export interface Registration {
  (): void
  reached(positions: readonly string[]): void
  watch(add: readonly WatchEntry[], remove: readonly string[]): Promise<WatchEntry[]>
}

/** Stands for the registration of a client that has gone, or was refused. */
const GONE: Registration = Object.assign(() => {}, { reached: () => {}, watch: async () => [] })

/** The parts of the server that answer its clients. */
interface DoorwayParts {
  options: Pick<ResolvedOptions, 'maxConnections' | 'dataSources' | 'diagnostics' | 'onError'>
  admissions: Admissions
  control: AdmissionControl
  streams: Streams
  opener: Opener
  barriers: Barriers
  /** Waits until this node knows the decisions of the others: see `Control`. */
  rights: { follow(): Promise<void>; settle(): Promise<void> }
  shutdown: { refuse(): void }
  /** Called after a stream was opened. */
  onOpened: () => void
}

/** Answers the requests of clients: handshakes, streams while the server has room, changes of streams. */
export class Doorway {
  readonly #parts: DoorwayParts

  constructor(parts: DoorwayParts) {
    this.#parts = parts
  }

  /**
   * Answers a handshake of a new client, or of a client whose open stream continues under the new token.
   *
   * @param browser the value of the browser cookie; undefined when the client wants no ticket
   * @param fork whether the client begins a session of its own, which continues from the token's positions
   * @param at the time of the request
   * @throws ParticleError `TOO_MANY_HANDSHAKES`, `UNAVAILABLE` or `UNAUTHORIZED`
   */
  async grant(
    given: Json,
    request: IncomingMessage | undefined,
    token: string | undefined,
    {
      browser,
      fork = false,
      at = Revocations.now(),
    }: { browser?: string | undefined; fork?: boolean; at?: number } = {},
  ): Promise<Granted> {
    const { admissions, control, options, rights, streams } = this.#parts
    const { tokens } = admissions
    await rights.settle()
    const began = performance.now()
    const before = await admissions.previous(token, fork)
    // Skips the check for room. A client with an open stream here needs no other one.
    const renewed = before && streams.of(before.session).length > 0 ? before.session : undefined
    if (renewed === undefined) this.#refuseWhenFull()
    const answered = control.handshake(request && addressOf(request), renewed)
    try {
      const found = await admissions.identify(given, request, before, at)
      const present = await streams.present(found)
      const admission = present ?? found
      const { session, expiresAt } = admission
      const live = present !== undefined
      const granted = {
        token: await tokens.seal(admission),
        session,
        expiresAt: new Date(expiresAt),
        live,
        identity: tokens.identities.of(admission),
        ticket: browser === undefined ? undefined : await tokens.ticket(admission, browser),
      }
      const continued = before !== undefined
      options.diagnostics.report('handshake', { session, continued, live, ms: since(began) })
      return granted
    } catch (error) {
      if (before && error instanceof ParticleError && error.code === 'UNAUTHORIZED')
        streams.refuse(before.session, at)
      throw error
    } finally {
      answered()
    }
  }

  /**
   * Opens a stream by its token or ticket. Resolves to the function that closes the stream; to undefined when
   * the client has gone.
   *
   * @param browsers the values of the request's browser cookies
   */
  async enter(
    token: string | undefined,
    browsers: readonly string[],
    request: StreamRequest,
  ): Promise<(() => void) | undefined> {
    const { admissions, control, rights } = this.#parts
    this.#refuseWhenFull()
    const { address } = request.origin ?? {}
    if (request.origin) control.stream(address)
    let stream: Stream | undefined
    try {
      await rights.follow()
      stream = await admissions.admit(token, browsers, (admitted) => this.#open(admitted, request))
      return stream && closeOf(stream.connection)
    } finally {
      if (!stream && request.origin) control.streamEnded(address)
    }
  }

  /** Connects a client of this process: see `Server.register`. */
  async register(
    identity: unknown,
    receiver: Receiver,
    done?: (error?: Error) => void,
  ): Promise<Registration> {
    const { admissions, options, rights } = this.#parts
    await rights.settle()
    checkReceiver(receiver, done)
    try {
      this.#refuseWhenFull()
      const admission = await admissions.identify(toJson(identity ?? null), undefined)
      const sink = new ReceiverSink(receiver, options.onError)
      const stream = await this.#openHere(admission, { open: () => sink })
      done?.()
      return stream ? this.#registrationOf(stream) : GONE
    } catch (error) {
      if (!done) throw error
      done(error as Error)
      return GONE
    }
  }

  #registrationOf(stream: Stream): Registration {
    const { barriers, streams } = this.#parts
    const reached = (positions: readonly string[]) => {
      barriers.check(positions)
      barriers.report(stream, positions)
    }
    const watch = async (add: readonly WatchEntry[], remove: readonly string[]) => {
      await streams.views.watch(stream, add, remove)
      return [...stream.watched.values()].map(entryOf)
    }
    return Object.assign(closeOf(stream.connection), { reached, watch })
  }

  /** Reads the model of an identity, by a stream that ends with its first `ready`: see `Server.snapshot`. */
  async snapshot(identity: unknown, roots?: SnapshotRoots, params?: Params): Promise<InitialModel> {
    const { admissions, options, rights } = this.#parts
    await rights.settle()
    const names = roots === undefined ? undefined : namesOf(Object.keys(options.dataSources), roots, params)
    const plain = names?.filter((name) => !isWatchedRoot(name))
    const watch = names?.filter(isWatchedRoot) ?? []
    const [given, request] = isRequest(identity) ? [null, identity] : [toJson(identity ?? null), undefined]
    const admission = await admissions.identify(given, request)
    const reader = new ModelReader(watch)
    const stream = await this.#openHere(admission, { roots: plain, watch, open: () => reader.sink })
    try {
      const model = await reader.model
      // The position was given for these views, which may be fewer than those of the identity.
      const views = (stream?.connection.views ?? []).filter(({ root }) => !isWatchedRoot(root))
      // Seals a token that continues from the position, but opens no stream, since the page shows the token.
      const claims = {
        ...(stream?.admission ?? admission),
        previous: fingerprintsOf(views),
        spent: true as const,
      }
      return { ...model, token: await admissions.tokens.seal(claims) }
    } finally {
      stream?.connection.close('snapshot-taken')
    }
  }

  /**
   * Reports positions to the session's streams here: see {@link Barriers.report}. Resolves to whether there
   * are any.
   *
   * @throws ParticleError `UNAUTHORIZED`, `INVALID_MESSAGE` or `TOO_MANY_REQUESTS`
   */
  async reached(credentials: Credentials, positions: readonly string[]): Promise<boolean> {
    const { barriers } = this.#parts
    barriers.check(positions)
    return this.#run(credentials, async (stream) => {
      barriers.report(stream, positions)
      return true
    })
  }

  /**
   * Changes the roots that the session's streams here watch: see `StreamViews.watch`.
   *
   * @returns whether there is such a stream, the refused roots, and all roots that are watched now
   * @throws ParticleError `UNAUTHORIZED` or `TOO_MANY_REQUESTS`
   */
  async watch(
    credentials: Credentials,
    add: readonly WatchEntry[],
    remove: readonly string[],
  ): Promise<{ live: boolean; refused: Refusal[]; watch: WatchEntry[] }> {
    const { streams } = this.#parts
    const refused = new Map<string, Refusal>()
    const watched = new Map<string, WatchEntry>()
    const live = await this.#run(credentials, async (stream) => {
      // A stream that has not begun would keep all refusals until then.
      if (!stream.begun) return false
      for (const each of await streams.views.watch(stream, add, remove)) refused.set(each.root, each)
      for (const each of stream.watched.values()) watched.set(each.root, entryOf(each))
      return true
    })
    return { live, refused: [...refused.values()], watch: [...watched.values()] }
  }

  /**
   * Calls `act` for each open stream of the request's session on this node. A session has several when a
   * client reconnects before the server notices that its last connection is dead.
   *
   * @returns whether `act` returned true for such a stream; otherwise another node may have it
   * @throws ParticleError `UNAUTHORIZED` or `TOO_MANY_REQUESTS`, and the errors of `act`
   */
  async #run(credentials: Credentials, act: (stream: Stream) => Promise<boolean>): Promise<boolean> {
    const { admissions, control, streams } = this.#parts
    const answered = control.request(credentials.address)
    try {
      const session = await admissions.sessionOf(credentials)
      const done = await Promise.all(session === undefined ? [] : streams.of(session).map(act))
      return done.includes(true)
    } finally {
      answered()
    }
  }

  /** @throws ParticleError `UNAVAILABLE` while the server is full or closing */
  #refuseWhenFull(): void {
    const { shutdown, streams, options } = this.#parts
    shutdown.refuse()
    if (streams.open.size >= options.maxConnections)
      throw new ParticleError('UNAVAILABLE', 'The server is full')
  }

  /** Opens a stream of an admitted client. */
  #open(admitted: Admitted, request: StreamRequest): Stream | undefined {
    this.#refuseWhenFull()
    const stream = this.#parts.opener.open(admitted, request)
    if (stream) this.#parts.onOpened()
    return stream
  }

  /** Opens a stream of a client of this process, which needs no token of its own. */
  #openHere(admission: Admission, request: StreamRequest): Promise<Stream | undefined> {
    return this.#parts.admissions.open(admission, false, (admitted) =>
      this.#open({ ...admitted, renewed: false }, request),
    )
  }
}
