import { channelsOf, type Named, Publisher } from './publisher.ts'

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

/** A trace, as the channel `particle:<name>` of `node:diagnostics_channel` publishes it. */
export type Trace = Named<TraceFields>

const CHANNELS = channelsOf(['delivery', 'lookup', 'audit'])

/** Reports the traces of a server to listeners, and to the process's diagnostics channels. */
export class Traces extends Publisher<TraceFields> {
  constructor() {
    super(CHANNELS)
  }
}
