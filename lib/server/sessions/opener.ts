import type { Admissions } from '../auth/admission.ts'
import type { Admission, Admitted } from '../auth/admitted.ts'
import { Connection } from '../delivery/connection.ts'
import type { ConnectionHost } from '../delivery/connection-host.ts'
import { type ResumeContext, type ResumePlan, resumeFrom } from '../delivery/resume.ts'
import type { Sink } from '../delivery/sink.ts'
import { StreamReport } from '../delivery/stream-report.ts'
import type { Views } from '../registry/views.ts'
import type { Dependencies } from '../relations/dependencies.ts'
import type { RelationResolver } from '../relations/relations.ts'
import type { Diagnostics } from '../support/diagnostics.ts'
import { fingerprintsOf, rightsOf } from '../view/fingerprint.ts'
import type { View } from '../view/view.ts'
import type { Stream } from './stream.ts'
import type { Streams } from './streams.ts'

/** What is asked for with a stream. */
export interface StreamRequest {
  /** The position that the client presents. */
  position?: string | undefined
  /** Opens the way to a client that was admitted; undefined where the client has gone. */
  open(admission: Admission | undefined): Sink | undefined
  /** Takes the function that closes the stream, for when the client goes. */
  onClose?(close: () => void): void
}

/** What streams are opened with. */
interface OpenerParts {
  admissions: Admissions
  views: Views
  dependencies: Dependencies
  streams: Streams
  host: ConnectionHost
  /** What a position is held against. */
  context: Pick<ResumeContext, 'epoch' | 'log' | 'feeds'>
  diagnostics: Diagnostics
  /** The `retry` line that a stream begins with. */
  retry: Buffer
  /** Called when a stream was closed. */
  onLeft: () => void
}

/** Opens streams for clients that were admitted. */
export class Opener {
  readonly #parts: OpenerParts

  constructor(parts: OpenerParts) {
    this.#parts = parts
  }

  /** Opens a stream. Returns the function that closes it; undefined where the client has gone. */
  open(
    { admission, renewed, asks = false }: Admitted,
    { position, open, onClose }: StreamRequest,
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
      onLeft,
    } = this.#parts
    const related = dependencies.related(admission?.identity ?? {})
    const views = this.#orLeave(related, [], () => all.of(admission?.identity ?? {}, related))
    const sink = this.#orLeave(related, views, () => open(admission))
    if (!sink) return undefined
    const fingerprints = fingerprintsOf(views)
    const report = new StreamReport(diagnostics, admission?.session, () => {
      streams.delete(stream)
      onLeft()
    })
    const connection = new Connection(sink, views, rightsOf(fingerprints), host, report)
    const stream: Stream = { connection, admission, renewed, related, asks }
    // Its relations may have changed since its token was sealed.
    if (related && admission && rightsOf(admission.views) !== rightsOf(fingerprints)) {
      stream.admission = admissions.goOn(admission, admission, fingerprints)
      stream.renewed = true
    }
    report.open(
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

  /** Leaves what was taken up for a stream which can't be opened. */
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
