import {
  type Attributes,
  type Link,
  type SpanContext,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { refuseUnknown } from '../model/unknown.ts'
import { requireServer } from '../server/given-server.ts'
import type { Server } from '../server/server.ts'
import type { DebugEvent } from '../server/support/diagnostics.ts'
import type { Trace } from '../server/support/traces.ts'

/** Limits the number of sessions whose last handshake is kept for a link. */
const MAX_HANDSHAKES = 1_000

/** Describes where the spans of a server go. */
export interface SpanOptions {
  /** The tracer that gets the spans. Default: the tracer `particle` of the global provider. */
  tracer?: Tracer | undefined
}

/**
 * Records spans of a server from now on, with OpenTelemetry. No attribute contains an identity, a document or
 * a value of a query.
 *
 * - `particle.delivery`: from the store's time of a change to the write to all sockets. One span for all
 *   clients, however many.
 * - `particle.lookup`: a call of `identityLookup`.
 * - `particle.handshake`: a handshake, with its look-up.
 * - `particle.view.read`: the read of a view from its source.
 * - `particle.stream.ready`: from the begin of a stream, or the reset of a root, until the client is up to
 *   date. It has a link to the handshake of its session.
 *
 * @returns the function that ends the recording
 * @throws ParticleError `INVALID_OPTION` for anything but a server, and for an unknown option
 */
export function traceServer(server: Server, options: SpanOptions = {}): () => void {
  requireServer('traceServer(server)', server)
  refuseUnknown('traceServer(server, options): option', options, ['tracer'])
  const { tracer = trace.getTracer('particle') } = options
  const spans = new Spans(tracer)
  return server.options.diagnostics.observe(
    (event) => spans.event(event),
    (each) => spans.trace(each),
  )
}

interface SpanParts {
  attributes: Record<string, unknown>
  links?: Link[]
  /** Whether the span has no parent. The others are children of their request's span. */
  root?: boolean
  error?: string | undefined
}

/** Makes spans of steps that have ended. */
class Spans {
  readonly #tracer: Tracer
  /** The last handshake of each session, the oldest first. */
  readonly #handshakes = new Map<string, SpanContext>()

  constructor(tracer: Tracer) {
    this.#tracer = tracer
  }

  event(event: DebugEvent): void {
    const now = Date.now()
    switch (event.name) {
      case 'handshake': {
        const { session, continued, live, ms } = event
        const attributes = { session, continued, live }
        this.#keep(session, this.#span('handshake', now - ms, now, { attributes }))
        break
      }
      case 'handshake.refused': {
        const { code, status, ms } = event
        this.#span('handshake', now - ms, now, { attributes: { status }, error: code })
        break
      }
      case 'stream.ready': {
        const { stream, session, ms } = event
        const handshake = session === undefined ? undefined : this.#handshakes.get(session)
        const links = handshake ? [{ context: handshake }] : []
        this.#span('stream.ready', now - ms, now, { attributes: { stream, session }, links, root: true })
        break
      }
      case 'view.read': {
        const { root, documents, bytes, ms } = event
        this.#span('view.read', now - ms, now, { attributes: { root, documents, bytes } })
        break
      }
    }
  }

  trace(each: Trace): void {
    if (each.name === 'lookup') {
      const { outcome, began, ended } = each
      const error = outcome === 'failed' ? 'identityLookup failed' : undefined
      this.#span('lookup', began, ended, { attributes: { outcome }, error })
    }
    if (each.name !== 'delivery') return
    const { source, changes, views, streams, changedAt = each.began, began, ended } = each
    const attributes = { source, changes, views, streams, arrived: began }
    // Begins with the arrival where the store's clock is ahead of this one.
    this.#span('delivery', Math.min(changedAt, began), ended, { attributes, root: true })
  }

  #span(
    name: string,
    startTime: number,
    endTime: number,
    { attributes, links = [], root = false, error }: SpanParts,
  ): SpanContext {
    const span = this.#tracer.startSpan(`particle.${name}`, {
      startTime,
      links,
      root,
      attributes: named(attributes),
    })
    if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error })
    span.end(endTime)
    return span.spanContext()
  }

  #keep(session: string, handshake: SpanContext): void {
    this.#handshakes.delete(session)
    this.#handshakes.set(session, handshake)
    const [oldest] = this.#handshakes.keys()
    if (this.#handshakes.size > MAX_HANDSHAKES && oldest !== undefined) this.#handshakes.delete(oldest)
  }
}

/** Puts `particle.` before the names, and leaves out what is undefined. */
function named(attributes: Record<string, unknown>): Attributes {
  const present = Object.entries(attributes).filter(([, value]) => value !== undefined)
  return Object.fromEntries(
    present.map(([name, value]) => [`particle.${name}`, value as string | number | boolean]),
  )
}
