import { type ErrorCode, ParticleError } from '../../errors.ts'
import { encode } from '../../protocol/encode.ts'
import type { Admissions } from '../auth/admission.ts'
import type { Admission } from '../auth/admitted.ts'
import { excessEvent } from '../delivery/limit-events.ts'
import type { ResumePlan } from '../delivery/resume.ts'
import type { Views } from '../registry/views.ts'
import type { Dependencies } from '../relations/dependencies.ts'
import type { RelationResolver } from '../relations/relations.ts'
import { Coalesced } from '../support/coalesced.ts'
import { KeyedSets } from '../support/keyed-sets.ts'
import { withTimeout } from '../support/scheduling.ts'
import { rightsOf } from '../view/fingerprint.ts'
import { Doubts } from './doubts.ts'
import type { IdentityStreams } from './identity-streams.ts'
import { MAX_RENEWALS, REFRESH_TIMEOUT_MS } from './renewal.ts'
import { askForHandshake, isNewer, REFUSED, rightsKnown, type Stream, sendRequest } from './stream.ts'
import { type Checked, StreamViews } from './stream-views.ts'
import type { Watches } from './watches.ts'

/** The errors of a lookup that were reported at the lookup. */
const TOLD: readonly ErrorCode[] = ['UNAVAILABLE', 'LIMIT_EXCEEDED']

/** Keeps all open streams, and renews their rights. */
export class Streams {
  readonly #admissions: Admissions
  readonly #views: Views
  readonly #following: Dependencies
  /** Limits the streams of each identity. */
  readonly identities: IdentityStreams
  /** Shows the views of an identity on its streams. */
  readonly views: StreamViews
  readonly #doubts: Doubts
  readonly #onError: (error: unknown) => void
  readonly open = new Set<Stream>()
  /** The open streams by session. A session may have several until the server notices a dead connection. */
  readonly #bySession = new KeyedSets<Stream>()
  /** The streams that wait for a renewal of their rights. */
  readonly #due = new Set<Stream>()

  constructor(
    admissions: Admissions,
    views: Views,
    watches: Watches,
    identities: IdentityStreams,
    onError: (error: unknown) => void,
    following: Dependencies,
  ) {
    this.identities = identities
    this.#admissions = admissions
    this.#views = views
    const isOpen = (stream: Stream) => this.open.has(stream)
    this.views = new StreamViews(views, watches, isOpen, admissions.losses)
    this.#onError = onError
    this.#following = following
    this.#doubts = new Doubts(MAX_RENEWALS, async (stream) => {
      if (stream.asks) void askForHandshake(stream, 'dependency', REFRESH_TIMEOUT_MS)
      else await this.#renew(stream, true)
    })
  }

  add(stream: Stream): void {
    this.open.add(stream)
    this.#bySession.add(stream.admission?.session, stream)
    this.identities.add(stream)
    this.#relate(stream, stream.related)
    this.#watch(stream)
  }

  /** Starts a stream. Sends its newer token if the rights changed after the opening. */
  begin(stream: Stream, start: ResumePlan): void {
    stream.begun = true
    stream.connection.start(start)
    this.views.refuse(stream, stream.refused ?? [])
    delete stream.refused
    if (stream.renewed) void this.#tell(stream)
    sendRequest(stream)
  }

  /** Removes a stream that has ended. */
  delete(stream: Stream): void {
    this.open.delete(stream)
    this.#doubts.delete(stream)
    this.#bySession.delete(stream.admission?.session, stream)
    this.identities.delete(stream)
    stream.request?.settle()
    stream.related?.close()
    stream.watching?.close()
    for (const view of stream.connection.views) this.#views.left(view)
  }

  /**
   * Ends streams, the oldest first; default: all. `retry` gives the milliseconds after which each client
   * comes back.
   */
  end(reason: string, count = this.open.size, retry?: () => number): void {
    for (const { connection } of [...this.open].slice(0, count)) {
      if (retry) connection.push(Buffer.from(`retry: ${retry()}\n\n`))
      connection.end(undefined, reason)
    }
  }

  /** Lists the session's open streams here. */
  of(session: string): Stream[] {
    return [...(this.#bySession.of(session) ?? [])]
  }

  /**
   * Moves a session's open streams to a new handshake's admission. Returns the result, if a stream continues.
   */
  async present(admission: Admission): Promise<Admission | undefined> {
    const streams = this.of(admission.session)
    const checked = await Promise.all(streams.map((stream) => this.views.check(stream, admission.identity)))
    const found = streams.map((stream, index) => this.#present(stream, admission, checked[index]))
    return found.findLast((each) => each !== undefined)
  }

  #present(stream: Stream, admission: Admission, checked: Checked | undefined): Admission | undefined {
    // Skips an ended stream. Another stream of the session may have replaced it in this step.
    if (!this.open.has(stream)) return undefined
    // Skips the older lookup. A later handshake was faster, and its rights must stay.
    if (isNewer(stream.admission, admission)) return undefined
    const { connection, request } = stream
    const { revoked, stale } = this.#admissions.rights.judge(admission)
    if (revoked !== undefined) {
      connection.end({ event: 'revoked', data: { reason: revoked } })
      return undefined
    }
    try {
      if (!this.#grant(stream, admission, checked)) return undefined
    } catch (error) {
      this.#onError(error)
      connection.end()
      return undefined
    }
    if (!stale) connection.release()
    // Asks the client again after a refresh during the lookup.
    if (stale && request) sendRequest(stream)
    else if (stale) void this.lookAnew([stream])
    else if (request) {
      stream.request = undefined
      request.settle()
    }
    return stream.admission
  }

  /**
   * Ends the open streams of a session whose identity a handshake refused. Keeps the streams whose lookup
   * began after the handshake: a later one may have been faster, and found another user.
   */
  refuse(session: string, at: number): void {
    for (const { connection, admission } of this.of(session))
      if ((admission?.at ?? 0) <= at) connection.end(REFUSED)
  }

  /** Sends pings, ends streams after their life, and renews tokens that end within `soon` milliseconds. */
  beat(soon: number): void {
    const now = Date.now()
    const due: Stream[] = []
    const ping = Buffer.from(encode({ event: 'ping', data: { timestamp: new Date(now).toISOString() } }))
    for (const stream of [...this.open]) {
      if (now >= (stream.endsAt ?? now + 1)) {
        stream.connection.end(undefined, 'lifetime')
        continue
      }
      stream.connection.pushAtPresent(ping)
      const ends = stream.admission?.expiresAt ?? Number.POSITIVE_INFINITY
      if (ends - now >= soon) continue
      // Waits for the renewal, which may wait for a slow lookup, or behind thousands of others.
      if (ends <= now) stream.connection.hold()
      if (stream.asks) void askForHandshake(stream, 'expiring', ends - now)
      else if (!stream.renewals?.isRunning && !this.#due.has(stream)) due.push(stream)
    }
    void this.#renewAll(due, (stream) => (stream.admission?.expiresAt ?? 0) <= Date.now())
  }

  /** Renews the rights of streams after a refresh, here or by a handshake of their clients. */
  async lookAnew(streams: readonly Stream[]): Promise<void> {
    const [asked, own] = [true, false].map((asks) => streams.filter((stream) => stream.asks === asks))
    await Promise.all([
      ...(own ?? []).map((stream) => this.#doubts.add(stream)),
      ...(asked ?? []).map((stream) => askForHandshake(stream, 'refresh', REFRESH_TIMEOUT_MS)),
    ])
  }

  /** Renews some streams at a time. The application's lookup must not run for all at once. */
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

  /** Sends the client the present token of its stream. */
  async #tell({ connection, admission }: Stream): Promise<void> {
    if (!admission) return
    const token = await this.#admissions.tokens.seal(admission)
    connection.send({
      event: 'session',
      data: { token, expiresAt: new Date(admission.expiresAt).toISOString() },
    })
  }

  /** Applies the relations of the identity to the stream, now and after each change. */
  #relate(stream: Stream, related: RelationResolver | undefined): void {
    const { connection } = stream
    stream.related = related
    if (!related) return
    connection.rightsKnown = () => rightsKnown(stream)
    related.onChange = () => this.#followed(stream, related)
    related.onDoubt = () => connection.doubt((root) => this.#views.isRelated(root))
  }

  #followed(stream: Stream, related: RelationResolver): void {
    const { connection, admission } = stream
    try {
      if (related.isTooLarge) throw this.#following.excess()
      const fingerprints = this.views.show(stream, admission?.identity ?? {}, related)
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

  /**
   * Looks up the identity after each change of its dependencies, and at once if they changed after its
   * lookup.
   */
  #watch(stream: Stream): void {
    const { admission, watching } = stream
    if (!admission) return
    const doubt = () => {
      if (this.open.has(stream)) stream.looked = this.#doubts.add(stream).then(() => stream.request?.settled)
    }
    const lost = () => stream.connection.doubt(() => true)
    stream.watching = this.#following.watch(admission.identity, admission.given, doubt, lost)
    watching?.close()
    if (stream.watching) stream.connection.rightsKnown = () => rightsKnown(stream)
    // Compares only dependencies that were read. The end of their read reports a change.
    const digest = stream.watching?.digest
    if (digest !== undefined && digest !== (admission.dependencies ?? '')) doubt()
  }

  /** Moves a stream to another admission. Returns false when the new identity has too many streams. */
  #grant(stream: Stream, next: Admission, checked: Checked | undefined): boolean {
    if (!this.identities.move(stream, next)) return false
    const related = this.#following.related(next.identity)
    let fingerprints: Record<string, string>
    try {
      this.views.apply(stream, checked)
      fingerprints = this.views.show(stream, next.identity, related)
    } catch (error) {
      related?.close()
      throw error
    }
    stream.related?.close()
    this.#relate(stream, related)
    // Grants from the stream's present admission, since its views may have changed during the lookup.
    stream.admission = this.#admissions.goOn(stream.admission ?? next, next, fingerprints)
    this.#watch(stream)
    return true
  }

  /**
   * Renews the rights of a stream, or ends the stream when the lookup refuses. A stream that `must` know its
   * rights also ends when the lookup fails or is slow.
   */
  async #renew(stream: Stream, must: boolean): Promise<void> {
    if (must) stream.mustRenew = true
    // Runs once more after a running lookup, which may have found the old rights.
    stream.renewals ??= new Coalesced(() => this.#renewNow(stream))
    const renewing = stream.renewals.run()
    if (!must) return renewing
    const inTime = renewing.then(() => true)
    if (!(await withTimeout(inTime, REFRESH_TIMEOUT_MS))) stream.connection.end()
  }

  async #renewNow(stream: Stream): Promise<void> {
    const { connection, admission, mustRenew: must } = stream
    stream.mustRenew = false
    if (!this.open.has(stream)) return
    try {
      if (!admission) {
        await this.views.renew(stream)
        connection.release()
        return
      }
      const next = await this.#admissions.identifyAgain(admission)
      const checked = await this.views.check(stream, next.identity)
      // Keeps a newer admission. The client may have made a handshake meanwhile, possibly as another user.
      if (!this.open.has(stream) || isNewer(stream.admission, next)) return
      const { revoked, stale } = this.#admissions.rights.judge(next)
      if (revoked !== undefined) {
        connection.end({ event: 'revoked', data: { reason: revoked } })
        return
      }
      // Looks up the identity again after a refresh in the same step.
      if (stale) {
        if (must) stream.mustRenew = true
        return await this.#renewNow(stream)
      }
      if (!this.#grant(stream, next, checked)) return
      connection.release()
      stream.renewed = true
      if (stream.begun) await this.#tell(stream)
    } catch (error) {
      const code = error instanceof ParticleError ? error.code : undefined
      // Ignores a refusal of the earlier identity, if the client made a handshake meanwhile.
      if (admission && isNewer(stream.admission, admission)) return
      if (code === 'UNAUTHORIZED') {
        connection.end(REFUSED)
        return
      }
      if (code === undefined || !TOLD.includes(code)) this.#onError(error)
      if (must) connection.end()
    }
  }
}
