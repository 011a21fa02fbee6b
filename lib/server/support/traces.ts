import { type Channel, channel } from 'node:diagnostics_channel'
import { guarded } from './failure.ts'

/**
 * Describes the fields of each trace beside its name. Traces occur with each change and each look-up, so that
 * `onDebug` does not get them. `began` and `ended` are milliseconds since 1970. No trace contains an
 * identity, a document or a value of a query.
 */
export interface TraceFields {
  /**
   * Changes of a source were written to streams. `changedAt`: the store's time of the last change, in
   * milliseconds since 1970; undefined when the source does not report it. `began`: the arrival of the first
   * change. `ended`: the write to the sockets.
   */
  delivery: Span & {
    source: string
    changes: number
    views: number
    streams: number
    changedAt: number | undefined
  }
  /** `identityLookup` was run. */
  lookup: Span & { outcome: 'found' | 'refused' | 'failed' }
  /** A client got rights, was refused, or lost its rights. */
  audit: AuditRecord
}

/**
 * Describes a decision about a client's rights. `at` is in milliseconds since 1970.
 *
 * - `grant`: `identityLookup` has found an identity, which may see the roots.
 * - `refusal`: a request or a watched root was refused with an error's code.
 * - `revocation`: a stream lost its rights, by `revoke` or because `identityLookup` refused a renewal.
 * - `decision`: `server.revoke` was called here, and ended so many streams of this process.
 */
type AuditRecord =
  | { action: 'grant'; at: number; session: string; roots: string[] }
  | {
      action: 'refusal'
      at: number
      code: string
      session?: string | undefined
      address?: string | undefined
      root?: string
    }
  | { action: 'revocation'; at: number; stream: number; session: string | undefined; cause: string }
  | { action: 'decision'; at: number; streams: number }

interface Span {
  began: number
  ended: number
}

/** The name of a trace. */
export type TraceName = keyof TraceFields

/** A trace, as the channel `particle:<name>` of `node:diagnostics_channel` publishes it. */
export type Trace = { [N in TraceName]: { name: N } & TraceFields[N] }[TraceName]

/** The channels, created once, as those of the debug events. */
const CHANNELS: Record<TraceName, Channel> = {
  delivery: channel('particle:delivery'),
  lookup: channel('particle:lookup'),
  audit: channel('particle:audit'),
}

/** Reports the traces of a server to listeners, and to the process's diagnostics channels. */
export class Traces {
  readonly #listeners = new Set<(trace: Trace) => void>()

  /** Checks whether a trace has listeners, since its fields cost time. */
  has(name: TraceName): boolean {
    return this.#listeners.size > 0 || CHANNELS[name].hasSubscribers
  }

  /** Calls a listener with each trace. Returns a function that ends it. */
  listen(onTrace: (trace: Trace) => void): () => void {
    // An exporter that throws must not disturb the lookup or the delivery that it is told of.
    const listener = guarded(onTrace)
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  report<N extends TraceName>(name: N, fields: TraceFields[N]): void {
    if (!this.has(name)) return
    const trace = { name, ...fields } as Trace
    CHANNELS[name].publish(trace)
    for (const listener of this.#listeners) listener(trace)
  }
}
