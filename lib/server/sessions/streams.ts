import { type ErrorCode, ParticleError } from '../../errors.ts'
import { encode } from '../../protocol/encode.ts'
import type { Admissions } from '../auth/admission.ts'
import type { Admission } from '../auth/admitted.ts'
import type { Predicate } from '../auth/revocations.ts'
import type { Connection } from '../delivery/connection.ts'
import { excessEvent } from '../delivery/limit-events.ts'
import type { ResumePlan } from '../delivery/resume.ts'
import type { Views } from '../registry/views.ts'
import type { Dependencies } from '../relations/dependencies.ts'
import type { RelationResolver } from '../relations/relations.ts'
import { Coalesced } from '../support/coalesced.ts'
import { withTimeout } from '../support/scheduling.ts'
import { fingerprintsOf, rightsOf } from '../view/fingerprint.ts'
import type { View } from '../view/view.ts'
import { Doubts } from './doubts.ts'
import type { IdentityStreams } from './identity-streams.ts'
import { MAX_RENEWALS, REFRESH_TIMEOUT_MS } from './renewal.ts'
import { askForHandshake, isNewer, REFUSED, SessionStreams, type Stream, sendRequest } from './stream.ts'

/** What goes wrong with a lookup, and was told where it did. */
const TOLD: readonly ErrorCode[] = ['UNAVAILABLE', 'LIMIT_EXCEEDED']

/** All open streams, and the rights that they go on under. */
export class Streams {
  readonly #admissions: Admissions
  readonly #views: Views
  readonly #following: Dependencies | undefined
  /** Counts the streams of each identity. */
  readonly identities: IdentityStreams
  readonly #doubts: Doubts
  readonly #onError: (error: unknown) => void
  readonly #streams = new Set<Stream>()
  readonly #bySession = new SessionStreams()
  /** Those whose rights are to be looked up anew soon. */
  readonly #due = new Set<Stream>()

  constructor(
    admissions: Admissions,
    views: Views,
    identities: IdentityStreams,
    onError: (error: unknown) => void,
    following?: Dependencies,
  ) {
    this.identities = identities
    this.#admissions = admissions
    this.#views = views
    this.#onError = onError
    this.#following = following
    this.#doubts = new Doubts(MAX_RENEWALS, async (stream) => {
      if (stream.asks) void askForHandshake(stream, 'dependency', REFRESH_TIMEOUT_MS)
      else await this.#renew(stream, true)
    })
  }

  get size(): number {
    return this.#streams.size
  }

  add(stream: Stream): void {
    this.#streams.add(stream)
    this.#bySession.add(stream)
    this.identities.add(stream)
    this.#relate(stream, stream.related)
    this.#watch(stream)
  }

  /** Starts a stream; it may have got other rights since it was opened. */
  begin(stream: Stream, start: ResumePlan): void {
    stream.begun = true
    stream.connection.start(start)
    if (stream.renewed) void this.#tell(stream)
    sendRequest(stream)
  }

  /** A stream has ended. */
  delete(stream: Stream): void {
    this.#streams.delete(stream)
    this.#doubts.delete(stream)
    this.#bySession.delete(stream)
    this.identities.delete(stream)
    stream.request?.settle()
    stream.related?.close()
    stream.watching?.close()
    for (const view of stream.connection.views) this.#views.left(view)
  }

  /** Ends all. */
  end(): void {
    for (const { connection } of [...this.#streams]) connection.end(undefined, 'server-closed')
  }

  /** Whether a stream of the session is open here. */
  has(session: string): boolean {
    return this.of(session).length > 0
  }

  /** Lists the session's open streams here. */
  of(session: string): Stream[] {
    return this.#bySession.of(session)
  }

  /**
   * Lets the open streams of a session go on under the admission of a new handshake.
   * @returns what they go on under; undefined where no stream of the session goes on under it here
   */
  present(admission: Admission): Admission | undefined {
    const found = this.#bySession.of(admission.session).map((stream) => this.#present(stream, admission))
    return found.findLast((each) => each !== undefined)
  }

  #present(stream: Stream, admission: Admission): Admission | undefined {
    // Another stream of the session may have taken its place in this very step.
    if (!this.#streams.has(stream)) return undefined
    // A later handshake was faster: this lookup began before it, and must not bring its rights back.
    if (isNewer(stream.admission, admission)) return undefined
    const { connection, request } = stream
    const { revoked, stale } = this.#admissions.rights.judge(admission)
    if (revoked !== undefined) {
      connection.end({ event: 'revoked', data: { reason: revoked } })
      return undefined
    }
    try {
      if (!this.#grant(stream, admission)) return undefined
    } catch (error) {
      this.#onError(error)
      connection.end()
      return undefined
    }
    // The lookup began before the rights were refreshed once more: the client must come again.
    if (stale && request) sendRequest(stream)
    else if (stale) void this.#lookAnew([stream])
    else if (request) {
      stream.request = undefined
      request.settle()
    }
    return stream.admission
  }

  /** Ends the open streams of a session whose identity was refused at a new handshake. */
  refuse(session: string, at: number): void {
    for (const { connection } of this.#bySession.before(session, at)) connection.end(REFUSED)
  }

  /** Gives a sign of life, and renews the tokens that end within so many milliseconds. */
  beat(soon: number): void {
    const now = Date.now()
    const due: Stream[] = []
    const ping = Buffer.from(encode({ event: 'ping', data: { timestamp: new Date(now).toISOString() } }))
    for (const stream of [...this.#streams]) {
      if (now >= (stream.endsAt ?? now + 1)) {
        stream.connection.end(undefined, 'lifetime')
        continue
      }
      stream.connection.pushAtPresent(ping)
      const ends = stream.admission?.expiresAt.getTime() ?? Number.POSITIVE_INFINITY
      if (ends - now >= soon) continue
      if (stream.asks) void askForHandshake(stream, 'expiring', ends - now)
      else if (!stream.renewals?.isRunning && !this.#due.has(stream)) due.push(stream)
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
    const { rights, openings } = this.#admissions
    rights.refresh(predicate)
    const streams = this.#meant(predicate)
    const opened = openings.opened((client) => rights.meets(predicate, client), REFRESH_TIMEOUT_MS)
    await this.#lookAnew(streams)
    return streams.length + (await opened)
  }

  /** Looks the rights of streams up anew after a refresh: some here, some by a handshake of their clients. */
  async #lookAnew(streams: readonly Stream[]): Promise<void> {
    const [asked, own] = [true, false].map((asks) => streams.filter((stream) => stream.asks === asks))
    await Promise.all([
      this.#renewAll(own ?? [], () => true),
      ...(asked ?? []).map((stream) => askForHandshake(stream, 'refresh', REFRESH_TIMEOUT_MS)),
    ])
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
    await Promise.all(Array.from({ length: Math.min(MAX_RENEWALS, streams.length) }, work))
  }

  /** Hands the token out that a stream has by now. */
  async #tell({ connection, admission }: Stream): Promise<void> {
    if (!admission) return
    const token = await this.#admissions.seal(admission)
    connection.send({ event: 'session', data: { token, expiresAt: admission.expiresAt.toISOString() } })
  }

  #show(connection: Connection, views: View[]): Record<string, string> {
    const fingerprints = fingerprintsOf(views)
    connection.change(views, rightsOf(fingerprints))
    return fingerprints
  }

  /** The stream goes on with what its identity is related to, and with that as it changes. */
  #relate(stream: Stream, related: RelationResolver | undefined): void {
    stream.related = related
    if (related) related.onChange = () => this.#followed(stream, related)
  }

  #followed(stream: Stream, related: RelationResolver): void {
    const { connection, admission } = stream
    try {
      if (related.isTooLarge && this.#following) throw this.#following.excess()
      const fingerprints = this.#show(
        connection,
        this.#views.of(admission?.identity ?? {}, related, stream.origin?.address),
      )
      if (!admission || rightsOf(admission.views) === rightsOf(fingerprints)) return
      stream.admission = this.#admissions.goOn(admission, admission, fingerprints)
      stream.renewed = true
    } catch (error) {
      this.#onError(error)
      connection.end(excessEvent(error))
      return
    }
    if (stream.begun) void this.#tell(stream)
  }

  /** Looks the identity up again from now on whenever what it depends on changes, and at once where that has changed since it was looked up. */
  #watch(stream: Stream): void {
    const { admission, watching } = stream
    if (!admission) return
    const doubt = () => void (this.#streams.has(stream) && this.#doubts.add(stream))
    stream.watching = this.#following?.watch(admission.identity, admission.given, doubt)
    watching?.close()
    // While it is being read, the end of that tells.
    const digest = stream.watching?.digest
    if (digest !== undefined && digest !== (admission.dependencies ?? '')) doubt()
  }

  /**
   * Lets a stream go on under another admission: with other views, relations and dependencies.
   * @returns false where it ended, because its identity has as many streams as it may
   */
  #grant(stream: Stream, next: Admission): boolean {
    if (!this.identities.move(stream, next)) return false
    const related = this.#following?.related(next.identity)
    let fingerprints: Record<string, string>
    try {
      fingerprints = this.#show(
        stream.connection,
        this.#views.of(next.identity, related, stream.origin?.address),
      )
    } catch (error) {
      related?.close()
      throw error
    }
    stream.related?.close()
    this.#relate(stream, related)
    // It may have been given other views while it was looked up.
    stream.admission = this.#admissions.goOn(stream.admission ?? next, next, fingerprints)
    this.#watch(stream)
    return true
  }

  #meant(predicate: Predicate): Stream[] {
    return [...this.#streams].filter(({ admission }) => this.#admissions.meets(predicate, admission))
  }

  /**
   * Looks the rights of a stream up anew. The stream goes on with them, or ends where the lookup refuses; where it fails, or doesn't answer
   * in time, the stream ends if it `must` know.
   */
  async #renew(stream: Stream, must: boolean): Promise<void> {
    if (must) stream.mustRenew = true
    // A lookup that began before a refresh may have found the old rights.
    stream.renewals ??= new Coalesced(() => this.#renewNow(stream))
    const renewing = stream.renewals.run()
    if (!must) return renewing
    const inTime = renewing.then(() => true)
    if (!(await withTimeout(inTime, REFRESH_TIMEOUT_MS))) stream.connection.end()
  }

  async #renewNow(stream: Stream): Promise<void> {
    const { connection, admission, mustRenew: must } = stream
    stream.mustRenew = false
    if (!this.#streams.has(stream) || !admission) return
    try {
      const next = await this.#admissions.identifyAgain(admission)
      // The client may have presented itself anew meanwhile, as somebody else perhaps: that holds.
      if (!this.#streams.has(stream) || isNewer(stream.admission, next)) return
      const { revoked, stale } = this.#admissions.rights.judge(next)
      if (revoked !== undefined) {
        connection.end({ event: 'revoked', data: { reason: revoked } })
        return
      }
      // Rights were refreshed in the step in which the lookup answered.
      if (stale) {
        if (must) stream.mustRenew = true
        return await this.#renewNow(stream)
      }
      if (!this.#grant(stream, next)) return
      stream.renewed = true
      if (stream.begun) await this.#tell(stream)
    } catch (error) {
      const code = error instanceof ParticleError ? error.code : undefined
      // What was refused is the identity of before, where the client has presented itself anew meanwhile.
      if (isNewer(stream.admission, admission)) return
      if (code === 'UNAUTHORIZED') {
        connection.end(REFUSED)
        return
      }
      if (code === undefined || !TOLD.includes(code)) this.#onError(error)
      if (must) connection.end()
    }
  }
}
