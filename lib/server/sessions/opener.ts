import type { Origin } from '../auth/address.ts'
import type { Admissions } from '../auth/admission.ts'
import type { Admission, Admitted } from '../auth/admitted.ts'
import { Connection } from '../delivery/connection.ts'
import type { ConnectionHost } from '../delivery/connection-host.ts'
import { type ResumeContext, type ResumePlan, resumeFrom } from '../delivery/resume.ts'
import type { Sink } from '../delivery/sink.ts'
import { StreamTrace } from '../delivery/stream-trace.ts'
import type { Views } from '../registry/views.ts'
import type { Dependencies } from '../relations/dependencies.ts'
import type { RelationResolver } from '../relations/relations.ts'
import type { Diagnostics } from '../support/diagnostics.ts'
import { fingerprintsOf, rightsOf } from '../view/fingerprint.ts'
import type { View } from '../view/view.ts'
import type { IdentityStreams } from './identity-streams.ts'
import { endOfLife, type Stream } from './stream.ts'
import type { Streams } from './streams.ts'

/** Describes the request for a stream. */
export interface StreamRequest {
  /** The origin of the request; undefined within this process, where the limits of strangers don't apply. */
  origin?: Origin | undefined
  /** The position that the client presents. */
  position?: string | undefined
  /** Opens the sink of an admitted client. Returns undefined when the client has gone. */
  open(admission: Admission | undefined): Sink | undefined
  /** Receives the function that closes the stream, to call when the client goes. */
  onClose?(close: () => void): void
}

/** The parts of the server that an opener needs. */
interface OpenerParts {
  admissions: Admissions
  views: Views
  dependencies: Dependencies
  streams: Streams
  host: ConnectionHost
  /** The process's order, against which positions are checked. */
  context: Pick<ResumeContext, 'epoch' | 'log' | 'feeds'>
  diagnostics: Diagnostics
  /** The `retry` line at the beginning of a stream. */
  retry: Buffer
  identities: IdentityStreams
  /** The longest life of a stream over HTTP, in milliseconds. */
  streamMs: number
  /** Called after a stream was closed. */
  onLeft: (stream: Stream) => void
}

/** Opens the streams of admitted clients. */
export class Opener {
  readonly #parts: OpenerParts

  constructor(parts: OpenerParts) {
    this.#parts = parts
  }

  /** Opens a stream. Returns the function that closes it; undefined when the client has gone. */
  open(
    { admission, renewed, asks = false }: Admitted,
    { origin, position, open, onClose }: StreamRequest,
  ): (() => void) | undefined {
    const {
      admissions,
      dependencies,
      host,
      streams,
      views: all,
      context,
      diagnostics,
      retry,
      identities,
      streamMs,
      onLeft,
    } = this.#parts
    const { address, request } = origin ?? {}
    const key = identities.admit(admission, request)
    const identity = admission?.identity ?? {}
    const related = dependencies.related(identity)
    const views = this.#orLeave(related, [], () => all.forStream(identity, related, address))
    const sink = this.#orLeave(related, views, () => open(admission))
    if (!sink) return undefined
    const fingerprints = fingerprintsOf(views)
    const trace = new StreamTrace(diagnostics, admission?.session, () => {
      streams.delete(stream)
      onLeft(stream)
    })
    const connection = new Connection(sink, views, rightsOf(fingerprints), host, trace)
    const endsAt = origin && endOfLife(streamMs)
    const stream: Stream = { connection, admission, renewed, related, asks, origin, key, endsAt }
    // Grants the present views, since the relations may have changed after the token was sealed.
    if (related && admission && rightsOf(admission.views) !== rightsOf(fingerprints)) {
      stream.admission = admissions.goOn(admission, admission, fingerprints)
      stream.renewed = true
    }
    trace.open(
      views.map(({ root }) => root),
      position !== undefined,
    )
    streams.add(stream)
    onClose?.(() => connection.close())
    connection.push(retry)
    const begin = (plan: ResumePlan) => streams.begin(stream, plan)
    const plan = resumeFrom(position, views, admission, { admissions, ...context })
    if (plan instanceof Promise) void plan.then(begin)
    else begin(plan)
    return () => connection.close()
  }

  /** Runs `take`. Releases the relations and views of the stream when that fails. */
  #orLeave<T>(related: RelationResolver | undefined, views: readonly View[], take: () => T): T {
    let taken: T | undefined
    try {
      taken = take()
      return taken
    } finally {
      if (!taken) {
        related?.close()
        for (const view of views) this.#parts.views.left(view)
      }
    }
  }
}
