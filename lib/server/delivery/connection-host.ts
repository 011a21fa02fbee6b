import type { IdLines } from '../feed/frame.ts'
import type { Log } from '../feed/log.ts'
import type { CatchUps } from '../view/catch-up.ts'
import type { View } from '../view/view.ts'
import type { BroadcastGroups } from './broadcast-group.ts'
import type { Flusher } from './flusher.ts'
import type { SnapshotReadings } from './snapshot-readings.ts'

/** What a connection needs of its server. */
export interface ConnectionHost {
  readonly log: Log
  readonly flusher: Flusher
  readonly ids: IdLines
  readonly catchUps: CatchUps
  readonly readings: SnapshotReadings
  readonly groups: BroadcastGroups
  readonly maxBufferedBytes: number
  /** The text of the present point. */
  point(): string
  /** The connection looks at a view no more. */
  left(view: View): void
  onError(error: unknown, root: string): void
}

/**
 * `waiting`: whether its position holds is being found out; `loading`: the client is on its way to the
 * present; `live`: it is there.
 */
type RootState = 'waiting' | 'loading' | 'live'

/** One root as this client sees it. */
export interface Root {
  view: View
  state: RootState
  /** Counts what was begun for the root: what an earlier one still does is of no effect. */
  turn: number
}

/** The root that a view is of. (A list, since roots are few: a map for each client takes more memory.) */
export function rootOf(roots: readonly Root[], { root }: View): Root | undefined {
  return roots.find(({ view }) => view.root === root)
}
