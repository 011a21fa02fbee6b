import type { Log } from '../feed/log.ts'
import type { CatchUps } from '../view/catch-up.ts'
import type { View } from '../view/view.ts'
import type { BroadcastGroups } from './broadcast-group.ts'
import type { Flusher } from './flusher.ts'
import type { IdLines } from './id-lines.ts'
import type { SnapshotReadings } from './snapshot-readings.ts'

/** Describes the server, as far as a connection uses it. */
export interface ConnectionHost {
  readonly log: Log
  readonly flusher: Flusher
  readonly ids: IdLines
  readonly catchUps: CatchUps
  readonly readings: SnapshotReadings
  readonly groups: BroadcastGroups
  readonly maxBufferedBytes: number
  /** Formats the present point. */
  point(): string
  /**
   * Reports that the connection no longer uses a view. With `forGood`, no client returns to the view by a
   * position.
   */
  left(view: View, forGood?: boolean): void
  onError(error: unknown, root: string): void
}
