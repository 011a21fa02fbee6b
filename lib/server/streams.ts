import { type ErrorCode, ParticleError } from '../errors.ts'
import { encode } from '../protocol/encode.ts'
import type { Admission, Admissions } from './admission.ts'
import type { Connection } from './connection.ts'
import { fingerprintsOf, rightsOf, type Start } from './resume.ts'
import type { Predicate } from './rights.ts'
import type { Views } from './views.ts'

/** How many identities are looked up anew at once. */
const MOST_RENEWALS = 64

/** What goes wrong with a lookup, and was told where it did. */
const TOLD: readonly ErrorCode[] = ['UNAVAILABLE', 'TOO_MANY_HANDSHAKES']

/** An open stream. */
export interface Stream {
  readonly connection: Connection
  admission: Admission | undefined
  /** Its token is a newer one than the client has. */
  renewed: boolean
  begun?: boolean
  /** What is being done about its rights: one thing after the other. */
  renewing?: Promise<void> | undefined
}

/** All open streams, and the rights that they go on under. */
export class Streams {
  readonly #admissions: Admissions
  readonly #views: Views
  readonly #onError: (error: unknown) => void
  readonly #streams = new Set<Stream>()
  /** Those whose rights are to be looked up anew soon. */
  readonly #due = new Set<Stream>()

  constructor(admissions: Admissions, views: Views, onError: (error: unknown) => void) {
    this.#admissions = admissions
    this.#views = views
    this.#onError = onError
  }

  get size(): number {
    return this.#streams.size
  }

  add(stream: Stream): void {
    this.#streams.add(stream)
  }

  /** Starts a stream; it may have got other rights since it was opened. */
  begin(stream: Stream, start: Start): void {
    stream.begun = true
    stream.connection.start(start)
    if (stream.renewed) void this.#tell(stream)
  }

  /** A stream has ended. */
  delete(stream: Stream): void {
    this.#streams.delete(stream)
    for (const view of stream.connection.views) this.#views.left(view)
  }

  /** Ends all. */
  end(): void {
    for (const { connection } of [...this.#streams]) connection.end()
  }

  /** Gives a sign of life, and renews the tokens that end within so many milliseconds. */
  beat(soon: number): void {
    const now = Date.now()
    const due: Stream[] = []
    const ping = Buffer.from(encode({ event: 'ping', data: { timestamp: new Date(now).toISOString() } }))
    for (const stream of this.#streams) {
      stream.connection.pushAtPresent(ping)
      const ends = stream.admission?.expiresAt.getTime() ?? Number.POSITIVE_INFINITY
      if (ends - now < soon && !stream.renewing && !this.#due.has(stream)) due.push(stream)
    }
    void this.#renewAll(due, (stream) => (stream.admission?.expiresAt.getTime() ?? 0) <= Date.now())
  }

  /** Ends the streams of those for whom the predicate holds; returns how many. */
  revoke(predicate: Predicate, reason: string): number {
    this.#admissions.rights.revoke(predicate, reason)
    const streams = this.#meant(predicate)
    for (const { connection } of streams) connection.end({ event: 'revoked', data: { reason } })
    return streams.length
  }

  /** Looks the identities of those for whom the predicate holds up again; resolves to how many streams they have. */
  async refresh(predicate: Predicate): Promise<number> {
    this.#admissions.rights.refresh(predicate)
    const streams = this.#meant(predicate)
    await this.#renewAll(streams, () => true)
    return streams.length
  }

  /** Renews some at a time: the application's lookup is not to be asked for all at once. */
  async #renewAll(streams: readonly Stream[], must: (stream: Stream) => boolean): Promise<void> {
    const waiting = [...streams].reverse()
    for (const stream of waiting) this.#due.add(stream)
    const work = async () => {
      for (let stream = waiting.pop(); stream; stream = waiting.pop()) {
        this.#due.delete(stream)
        await this.#renew(stream, must(stream))
      }
    }
    await Promise.all(Array.from({ length: Math.min(MOST_RENEWALS, streams.length) }, work))
  }

  /** Hands the token out that a stream has by now. */
  async #tell({ connection, admission }: Stream): Promise<void> {
    if (!admission) return
    const token = await this.#admissions.seal(admission)
    connection.send({ event: 'session', data: { token, expiresAt: admission.expiresAt.toISOString() } })
  }

  #meant(predicate: Predicate): Stream[] {
    return [...this.#streams].filter(({ admission }) => this.#admissions.meets(predicate, admission))
  }

  /**
   * Looks the rights of a stream up anew. The stream goes on with them, or ends where the lookup refuses; where it fails, it ends if
   * it `must` know.
   */
  #renew(stream: Stream, must: boolean): Promise<void> {
    const { connection } = stream
    const renewal = async () => {
      const { admission } = stream
      if (!this.#streams.has(stream) || !admission) return
      try {
        const next = await this.#admissions.identifyAgain(admission)
        if (!this.#streams.has(stream)) return
        const { revoked } = this.#admissions.rights.judge(next)
        if (revoked !== undefined) {
          connection.end({ event: 'revoked', data: { reason: revoked } })
          return
        }
        const views = this.#views.of(next.identity)
        connection.change(views, rightsOf(fingerprintsOf(views)))
        stream.admission = next
        stream.renewed = true
        if (stream.begun) await this.#tell(stream)
      } catch (error) {
        const code = error instanceof ParticleError ? error.code : undefined
        if (code === 'UNAUTHORIZED') {
          connection.end({ event: 'revoked', data: { reason: 'identity-refused' } })
          return
        }
        if (code === undefined || !TOLD.includes(code)) this.#onError(error)
        if (must) connection.end()
      }
    }
    // A lookup that began before a refresh may have found the old rights.
    const renewing = (stream.renewing ?? Promise.resolve()).then(renewal).finally(() => {
      if (stream.renewing === renewing) stream.renewing = undefined
    })
    stream.renewing = renewing
    return renewing
  }
}
