import type { ResolvedLimits } from '../options/limits.ts'
import type { Diagnostics } from '../support/diagnostics.ts'
import type { Log } from './log.ts'
import type { PendingRights } from './pending-rights.ts'

/** Limits the reads of a source: see `Limits`. */
export type FeedLimits = Pick<ResolvedLimits, 'queryMs' | 'snapshotDocuments' | 'snapshotBytes'>

/** Describes the server, as far as a feed uses it. */
export interface FeedHost {
  readonly log: Log
  /** Returns the present positions of all adapters, in the order of the server's sources. */
  adapters(): readonly string[]
  /** Formats the point at a sequence, with the adapters' present positions or the given ones. */
  point(sequence: number, adapters?: readonly string[]): string
  onError(error: unknown, source: string): void
  readonly diagnostics: Diagnostics
  /** The changes of rights that entries cause; default: none. */
  readonly rights?: PendingRights
  /** The limits; default: none. */
  readonly limits?: FeedLimits
}
