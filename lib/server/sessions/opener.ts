import type { Origin } from '../auth/address.ts'
import type { Admissions } from '../auth/admission.ts'
import type { Admission, Admitted } from '../auth/admitted.ts'
import { Connection } from '../delivery/connection.ts'
import type { ConnectionHost } from '../delivery/connection-host.ts'
import { type ResumeContext, resumeFrom } from '../delivery/resume.ts'
import type { Sink } from '../delivery/sink.ts'
import { StreamTrace } from '../delivery/stream-trace.ts'
import type { Views } from '../registry/views.ts'
import type { Dependencies } from '../relations/dependencies.ts'
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

  /**
   * Opens a stream. Returns the function that closes the stream; undefined when the client has gone. Creates
   * the functions that live as long as the stream in methods of their own. A closure keeps all variables that
   * any closure of its function uses, and so would keep the request.
   */
  open(admitted: Admitted, request: StreamRequest): (() => void) | undefined {
    const { admission } = admitted
    const { origin, position, onClose } = request
    const key = this.#parts.identities.admit(admission, origin?.request)
    const related = this.#parts.dependencies.related(admission?.identity ?? {})
    const views: View[] = []
    let sink: Sink | undefined
    try {
      views.push(...this.#parts.views.forStream(admission?.identity ?? {}, related, origin?.address))
      sink = request.open(admission)
    } finally {
      if (!sink) {
        related?.close()
        for (const view of views) this.#parts.views.left(view)
      }
    }
    if (!sink) return undefined
    const fingerprints = fingerprintsOf(views)
    const stream = this.#create(admitted, sink, views, fingerprints, position !== undefined)
    stream.related = related
    stream.origin = origin
    stream.key = key
    stream.endsAt = origin && endOfLife(this.#parts.streamMs)
    const close = closeOf(stream.connection)
    onClose?.(close)
    this.#start(stream, fingerprints, position)
    return close
  }

  #create(
    { admission, renewed, asks = false }: Admitted,
    sink: Sink,
    views: readonly View[],
    fingerprints: Record<string, string>,
    presented: boolean,
  ): Stream {
    const { host, diagnostics, streams, onLeft } = this.#parts
    const trace = new StreamTrace(diagnostics, admission?.session, () => {
      streams.delete(stream)
      onLeft(stream)
    })
    trace.open(
      views.map(({ root }) => root),
      presented,
    )
    const connection = new Connection(sink, views, rightsOf(fingerprints), host, trace)
    const stream: Stream = { connection, admission, renewed, asks }
    return stream
  }

  #start(stream: Stream, fingerprints: Record<string, string>, position: string | undefined): void {
    const { admissions, streams, context, retry } = this.#parts
    const { connection, admission, related } = stream
    // Grants the present views, since the relations may have changed after the token was sealed.
    if (related && admission && rightsOf(admission.views) !== rightsOf(fingerprints)) {
      stream.admission = admissions.goOn(admission, admission, fingerprints)
      stream.renewed = true
    }
    streams.add(stream)
    connection.push(retry)
    const plan = resumeFrom(position, connection.views, admission, { admissions, ...context })
    if (plan instanceof Promise) void plan.then((planned) => streams.begin(stream, planned))
    else streams.begin(stream, plan)
  }
}

function closeOf(connection: Connection): () => void {
  return () => connection.close()
}
