import type { Log } from '../feed/log.ts'
import { CatchUps } from '../view/catch-up.ts'
import type { View } from '../view/view.ts'
import { BroadcastGroups } from './broadcast-group.ts'
import { Flusher } from './flusher.ts'
import { IdLines } from './id-lines.ts'
import { CurrentSnapshots } from './present.ts'
import { SnapshotReadings } from './snapshot-readings.ts'

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

/**
 * Creates what the connections of a server share.
 *
 * @param seal seals the positions of clients
 */
export function connectionHost(
  log: Log,
  seal: ConstructorParameters<typeof IdLines>[0],
  rest: Pick<ConnectionHost, 'maxBufferedBytes' | 'point' | 'left' | 'onError'>,
): ConnectionHost {
  const flusher = new Flusher()
  const ids = new IdLines(seal)
  return {
    ...{ log, flusher, ids, ...rest },
    groups: new BroadcastGroups(flusher, ids),
    catchUps: new CatchUps(log),
    readings: new SnapshotReadings(new CurrentSnapshots(log), rest.maxBufferedBytes),
  }
}
