import type { WatchEntry } from '../../protocol/watched-root.ts'
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
import type { Diagnostics } from '../support/diagnostics.ts'
import { fingerprintsOf, rightsOf } from '../view/fingerprint.ts'
import type { View } from '../view/view.ts'
import type { Barriers } from './barriers.ts'
import type { IdentityStreams } from './identity-streams.ts'
import { endOfLife, type Stream } from './stream.ts'
import type { Streams } from './streams.ts'

/** Describes the request for a stream. */
export interface StreamRequest {
  /** The origin of the request; undefined within this process, where the limits of strangers don't apply. */
  origin?: Origin | undefined
  /** The position that the client presents. */
  position?: string | undefined
  /** The roots without parameters that the client gets. Default: all that its identity may see. */
  roots?: readonly string[] | undefined
  /** The roots that the client watches. */
  watch?: readonly WatchEntry[]
  /** The watched roots that the position was given for; default: those of `watch`. */
  held?: readonly WatchEntry[] | undefined
  /** The positions of sources that the client waits for: see `Barriers`. */
  reached?: readonly string[] | undefined
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
  context: Pick<ResumeContext, 'epoch' | 'log'>
  diagnostics: Diagnostics
  /** The `retry` line at the beginning of a stream. */
  retry: Buffer
  identities: IdentityStreams
  barriers: Barriers
  /** The longest life of a stream over HTTP, in milliseconds. */
  streamMs: number
  /** Called after a stream was closed. */
  onLeft: (stream: Stream) => void
}

/** Stands for the watched roots of a client that watches none, as most do. */
const NONE: Stream['watched'] = new Map()

/** Passes on the turning points of a stream. One object takes a quarter of the memory of two closures. */
class TurningPoints {
  stream: Stream | undefined
  readonly #parts: OpenerParts

  constructor(parts: OpenerParts) {
    this.#parts = parts
  }

  onReady(): void {
    if (this.stream) this.#parts.barriers.ready(this.stream)
  }

  onClose(): void {
    const { stream } = this
    if (!stream) return
    this.#parts.barriers.delete(stream)
    this.#parts.streams.delete(stream)
    this.#parts.onLeft(stream)
  }
}

/** Opens the streams of admitted clients. */
export class Opener {
  readonly #parts: OpenerParts

  constructor(parts: OpenerParts) {
    this.#parts = parts
  }

  /**
   * Opens a stream. Returns undefined when the client has gone. Creates the functions that live as long as
   * the stream in methods of their own. A closure keeps all variables that any closure of its function uses,
   * and so would keep the request.
   */
  open(admitted: Admitted, request: StreamRequest): Stream | undefined {
    const { admission } = admitted
    const { origin, roots, reached = [], onClose } = request
    const key = this.#parts.identities.admit(admission, origin?.request)
    const related = this.#parts.dependencies.related(admission?.identity ?? {})
    const views: View[] = []
    let sink: Sink | undefined
    try {
      views.push(...this.#parts.views.forStream(admission?.identity ?? {}, related, origin?.address, roots))
      sink = request.open(admission)
    } finally {
      if (!sink) {
        related?.close()
        for (const view of views) this.#parts.views.left(view)
      }
    }
    if (!sink) return undefined
    const fingerprints = fingerprintsOf(views)
    const stream = this.#create(admitted, sink, views, fingerprints, request)
    stream.related = related
    stream.origin = origin
    stream.key = key
    stream.endsAt = origin && endOfLife(this.#parts.streamMs)
    onClose?.(closeOf(stream.connection))
    this.#start(stream, fingerprints, request)
    this.#parts.barriers.begin(stream, reached)
    return stream
  }

  #create(
    { admission, renewed, asks = false }: Admitted,
    sink: Sink,
    views: readonly View[],
    fingerprints: Record<string, string>,
    { roots, position }: StreamRequest,
  ): Stream {
    const { host, diagnostics } = this.#parts
    const turns = new TurningPoints(this.#parts)
    const trace = new StreamTrace(diagnostics, admission?.session, turns)
    trace.open(views, position !== undefined)
    const connection = new Connection(sink, views, rightsOf(fingerprints), host, trace)
    const stream: Stream = { connection, roots, watched: NONE, admission, renewed, asks }
    turns.stream = stream
    return stream
  }

  #start(
    stream: Stream,
    fingerprints: Record<string, string>,
    { position, roots, watch = [], held = watch }: StreamRequest,
  ): void {
    const { admissions, streams, retry } = this.#parts
    const { connection, admission, related } = stream
    // Grants the present views, since the relations may have changed after the token was sealed.
    if (!roots && related && admission && rightsOf(admission.views) !== rightsOf(fingerprints)) {
      stream.admission = admissions.goOn(admission, admission, fingerprints)
      stream.renewed = true
    }
    streams.add(stream)
    connection.push(retry)
    if (watch.length > 0 || held.length > 0) void this.#startWatching(stream, position, watch, held)
    else this.#resume(stream, position)
  }

  /** Starts a stream with the roots that its client watches, after the application has allowed them. */
  async #startWatching(
    stream: Stream,
    position: string | undefined,
    watch: readonly WatchEntry[],
    held: readonly WatchEntry[],
  ): Promise<void> {
    const { streams, host } = this.#parts
    try {
      await streams.views.watch(stream, watch, [])
      const fingerprints = position === undefined ? {} : await streams.views.fingerprintsOf(stream, held)
      this.#resume(stream, position, fingerprints)
    } catch (error) {
      host.onError(error, 'watch')
      stream.connection.end()
    }
  }

  #resume(stream: Stream, position: string | undefined, held?: Record<string, string>): void {
    const { admissions, context, streams, views } = this.#parts
    const { connection, admission } = stream
    const plan = resumeFrom(position, connection.views, admission, {
      admissions,
      ...context,
      rightsUnchangedSince: (sequenceOf) => {
        const { related, watching } = stream
        if (watching && !watching.isUnchangedSince(sequenceOf)) return () => false
        const isUnchanged = related?.isUnchangedSince(sequenceOf) ?? true
        return (root) => isUnchanged || !views.isRelated(root)
      },
      ...(held && { held }),
    })
    const begin = (planned: ResumePlan) => {
      // Plans anew if the rights were granted anew meanwhile. A right may have ended, and come back.
      if (stream.admission === admission) streams.begin(stream, planned)
      else this.#resume(stream, position, held)
    }
    if (plan instanceof Promise) void plan.then(begin)
    else begin(plan)
  }
}

/** Returns the function that closes a stream. */
export function closeOf(connection: Connection): () => void {
  return () => connection.close()
}
