import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { ParticleError } from '../errors.ts'
import type { Json } from '../model/document.ts'
import { toJson } from '../model/json.ts'
import { encode } from '../protocol/encode.ts'
import { formatPosition } from '../protocol/position.ts'
import { Connection, type ConnectionHost } from './connection.ts'
import { Flusher } from './flusher.ts'
import { Log } from './log.ts'
import { createHandler, type Handler } from './middleware.ts'
import { type ResolvedOptions, resolveOptions, type ServerOptions } from './options.ts'
import { eventReceiver, type Receiver } from './receiver.ts'
import { formatSince, resumeFrom } from './resume.ts'
import { Identification } from './session.ts'
import { ReceiverSink, type Sink } from './sink.ts'
import { fingerprint, Sources } from './sources.ts'
import { type Claims, sessionId, TokenSeal } from './token.ts'
import { View } from './view.ts'

/** Figures of a server at one moment. */
export interface Stats {
  /** Open streams. */
  connections: number
  /** Distinct views that they look at. */
  views: number
  /** What is kept for clients that come back: changes, and their reckoned size in bytes. */
  replay: { changes: number; bytes: number }
}

/** An opened token. */
export type Admission = Claims & { expiresAt: Date }

interface Stream {
  connection: Connection
  claims: Admission | undefined
  renewing: boolean
}

/** Keeps the local models of its clients equal to what its sources have and each client may see. */
export class Server {
  /** @internal */
  readonly options: ResolvedOptions
  readonly #log: Log
  readonly #flusher = new Flusher()
  readonly #seal: TokenSeal
  readonly #sources: Sources
  readonly #identification: Identification
  readonly #epoch = randomBytes(6).toString('base64url')
  readonly #views = new Map<string, View>()
  readonly #streams = new Set<Stream>()
  readonly #closings = new Set<Promise<void>>()
  readonly #host: ConnectionHost
  readonly #retry: Buffer
  #timer: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined

  /** @throws ParticleError `INVALID_OPTION`, `INVALID_MANIFEST` or `INVALID_QUERY` where the options aren't right. */
  constructor(options: ServerOptions) {
    const resolved = resolveOptions(options)
    this.options = { ...resolved, onError: guarded(resolved.onError), onDebug: guarded(resolved.onDebug) }
    const { onError, onDebug, secret, replay, maxBufferedBytes, maxConnections, identityLookup, retry } =
      this.options
    this.#log = new Log(replay)
    this.#seal = new TokenSeal(secret)
    this.#identification = new Identification(identityLookup, onError, maxConnections)
    this.#retry = Buffer.from(`retry: ${retry}\n\n`)
    this.#sources = new Sources(resolved.dataSources, {
      log: this.#log,
      positionId: (sequence) => this.#positionId(sequence),
      onError: (error, source) => onError(asError(error, source)),
      onDebug,
    })
    this.#host = {
      log: this.#log,
      flusher: this.#flusher,
      maxBufferedBytes,
      currentId: () => this.#positionId(this.#log.head),
      onError: (error, root) => onError(asError(error, root)),
    }
  }

  /** The server's routes, for `app.use()` of Express or connect, or `http.createServer()`. */
  middleware(): Handler {
    return createHandler(this)
  }

  /**
   * Connects a client of this process: `identityLookup` is run for the identity (with no request), then `receiver(name, data, id)` is called
   * for each event, as a browser would get it. `done(error?)` tells whether the identity was taken, as the promise does.
   *
   * Resolves to a function that ends it. @throws ParticleError `UNAUTHORIZED` or `UNAVAILABLE`.
   */
  async register(identity: unknown, receiver: Receiver, done?: (error?: Error) => void): Promise<() => void> {
    try {
      const { claims, expiresAt } = await this.#identify(toJson(identity ?? null), undefined, undefined)
      const sink = new ReceiverSink(eventReceiver(receiver, this.options.onError))
      const stop = this.attach(
        { ...claims, expiresAt },
        undefined,
        () => sink,
        () => {},
      )
      done?.()
      return stop
    } catch (error) {
      if (!done) throw error
      done(error as Error)
      return () => {}
    }
  }

  /** What is going on. */
  stats(): Stats {
    return {
      connections: this.#streams.size,
      views: this.#views.size,
      replay: { changes: this.#log.head - this.#log.floor, bytes: this.#log.bytes },
    }
  }

  /**
   * Ends all streams, stops following the sources and runs the application's `disconnect`. Clients come back by themselves, to another node or
   * once the application runs again; this server turns them away (503).
   */
  disconnect(): Promise<void> {
    this.#closing ??= this.#disconnect()
    return this.#closing
  }

  /** @internal The answer to a handshake. */
  async grant(
    given: Json,
    request: IncomingMessage | undefined,
    previous: string | undefined,
  ): Promise<{ token: string; session: string; expiresAt: Date }> {
    const { claims, expiresAt } = await this.#identify(given, request, previous)
    return { token: await this.#seal.seal(claims, expiresAt), session: claims.session, expiresAt }
  }

  /** @internal What a stream's token seals; undefined where none is needed. */
  async admit(token: string | undefined): Promise<Admission | undefined> {
    this.#refuseWhenFull()
    if (token !== undefined) return this.#seal.open(token)
    if (this.#identification.required)
      throw new ParticleError('UNAUTHORIZED', 'A stream needs a token: POST to handshake first')
    return undefined
  }

  /** @internal Opens a stream over a sink. Returns the function that closes it. */
  attach(
    claims: Admission | undefined,
    position: string | undefined,
    open: () => Sink,
    onClose: (close: () => void) => void,
  ): () => void {
    this.#refuseWhenFull()
    const views = this.#viewsOf(claims?.identity ?? {})
    const stream: Stream = {
      claims,
      renewing: false,
      connection: new Connection(open(), views, this.#host, () => this.#left(stream)),
    }
    this.#streams.add(stream)
    this.#timer ??= setInterval(() => this.#beat(), this.options.heartbeat).unref()
    onClose(() => stream.connection.close())
    stream.connection.push(this.#retry)
    const { head, floor } = this.#log
    stream.connection.start(
      resumeFrom(position, views, claims, { tag: this.#seal.tag, epoch: this.#epoch, head, floor }),
    )
    return () => stream.connection.close()
  }

  async #identify(given: Json, request: IncomingMessage | undefined, previous: string | undefined) {
    this.#refuseWhenFull()
    const identity = await this.#identification.identify(given, request)
    const expiresAt = new Date(Date.now() + this.options.sessionTtl)
    const views = Object.fromEntries(
      this.#sources.viewsOf(identity).map((view) => [view.root, fingerprint(view.key)]),
    )
    const before =
      previous === undefined ? undefined : await this.#seal.open(previous, true).catch(() => undefined)
    const claims: Claims = {
      session: sessionId(),
      given,
      identity,
      views,
      ...(before ? { previous: heldThroughout(before) } : {}),
      since: formatSince(this.#epoch, this.#log.mark(Date.now())),
    }
    return { claims, expiresAt }
  }

  #viewsOf(identity: Json): View[] {
    return this.#sources.viewsOf(identity).map(({ makeFeed, ...spec }) => {
      let view = this.#views.get(spec.key)
      if (!view) {
        view = new View({ ...spec, feed: makeFeed() }, this.#log, (error) =>
          this.#host.onError(error, spec.root),
        )
        this.#views.set(spec.key, view)
      }
      return view
    })
  }

  #left(stream: Stream): void {
    this.#streams.delete(stream)
    for (const view of stream.connection.views) {
      if (view.viewers.size > 0 || this.#views.get(view.key) !== view) continue
      this.#views.delete(view.key)
      const closing = view.close().finally(() => this.#closings.delete(closing))
      this.#closings.add(closing)
    }
    if (this.#streams.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #beat(): void {
    this.#log.trim(Date.now())
    const ping = { event: 'ping', data: { timestamp: new Date().toISOString() } } as const
    const bare = Buffer.from(encode(ping))
    const whole = Buffer.from(encode({ ...ping, id: this.#positionId(this.#log.head) }))
    const soon = Date.now() + Math.max(this.options.heartbeat * 2, this.options.sessionTtl / 5)
    for (const stream of this.#streams) {
      stream.connection.push(stream.connection.ready ? whole : bare)
      if (stream.claims && stream.claims.expiresAt.getTime() < soon && !stream.renewing)
        void this.#renew(stream, stream.claims)
    }
  }

  /** Rights are looked at anew before a token expires; the stream goes on with them, or ends. */
  async #renew(stream: Stream, claims: Admission): Promise<void> {
    const { connection } = stream
    stream.renewing = true
    try {
      const renewed = await this.#identify(claims.given, undefined, undefined)
      const next: Claims = { ...renewed.claims, session: claims.session, previous: claims.views }
      const token = await this.#seal.seal(next, renewed.expiresAt)
      stream.claims = { ...next, expiresAt: renewed.expiresAt }
      const changed = JSON.stringify(next.views) !== JSON.stringify(claims.views)
      connection.send({
        event: 'session',
        data: { token, expiresAt: renewed.expiresAt.toISOString() },
        // With other rights the client comes back at once, and with no position: those it got were given for the old views.
        ...(changed ? { id: '' } : {}),
      })
      if (changed) connection.end()
    } catch (error) {
      if (error instanceof ParticleError && error.code === 'UNAUTHORIZED') {
        connection.end({ event: 'revoked', data: { reason: 'identity-refused' } })
      } else if (claims.expiresAt.getTime() <= Date.now()) connection.end()
    } finally {
      stream.renewing = false
    }
  }

  #positionId(sequence: number): string {
    const adapters = this.#sources.feeds.map((feed) => feed.position ?? '')
    return formatPosition({ tag: this.#seal.tag, epoch: this.#epoch, sequence, adapters })
  }

  #refuseWhenFull(): void {
    if (this.#closing) throw new ParticleError('UNAVAILABLE', 'The server is closing')
    if (this.#streams.size >= this.options.maxConnections)
      throw new ParticleError('UNAVAILABLE', 'The server is full')
  }

  async #disconnect(): Promise<void> {
    // One turn later, so that this promise is known as the closing one before any stream's end can ask for it.
    await Promise.resolve()
    for (const stream of [...this.#streams]) stream.connection.end()
    await Promise.all(this.#closings)
    this.#log.clear()
    try {
      await this.options.disconnect?.()
    } catch (cause) {
      this.options.onError(new ParticleError('CALLBACK_FAILED', 'disconnect failed', { cause }))
    }
  }
}

/** The views of a token that its own previous one had too: no telling which of the two a client's position was given for. */
function heldThroughout({ views, previous }: Claims): Record<string, string> {
  if (!previous) return views
  return Object.fromEntries(Object.entries(views).filter(([root, view]) => previous[root] === view))
}

/** A function of the application's whose own failure goes no further. */
function guarded<T>(fn: (value: T) => void): (value: T) => void {
  return (value) => {
    try {
      fn(value)
    } catch (error) {
      console.error(error)
    }
  }
}

function asError(error: unknown, source: string): Error {
  if (error instanceof ParticleError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new ParticleError('SOURCE_FAILED', `${source}: ${message}`, { cause: error })
}
