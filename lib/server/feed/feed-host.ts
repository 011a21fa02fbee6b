import type { ResolvedLimits } from '../options/limits.ts'
import type { Diagnostics } from '../support/diagnostics.ts'
import type { Log } from './log.ts'

/** Bounds what is read of a source: see `Limits`. */
export type FeedLimits = Pick<ResolvedLimits, 'queryMs' | 'snapshotDocuments' | 'snapshotBytes'>

/** What a feed needs of its server. */
export interface FeedHost {
  readonly log: Log
  /** Where all adapters are now, in the order of the server's sources. */
  adapters(): readonly string[]
  /**
   * The text of the point at a sequence, the adapters being where they are now, or where they are said to be.
   */
  point(sequence: number, adapters?: readonly string[]): string
  onError(error: unknown, source: string): void
  readonly diagnostics: Diagnostics
  /** Default: no bounds. */
  readonly limits?: FeedLimits
}
