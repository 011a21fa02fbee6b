import type { IdLines } from '../feed/frame.ts'
import type { Log } from '../feed/log.ts'
import type { CatchUps } from '../view/catch-up.ts'
import type { View } from '../view/view.ts'
import type { BroadcastGroups } from './broadcast-group.ts'
import type { Flusher } from './flusher.ts'
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
  /** Reports that the connection no longer uses a view. */
  left(view: View): void
  onError(error: unknown, root: string): void
}

/**
 * Names the state of a root. `waiting`: the resume plan is not known yet. `loading`: the client gets the
 * missing data. `live`: the client is up to date.
 */
type RootState = 'waiting' | 'loading' | 'live'

/** Holds one root of a client. */
export interface Root {
  view: View
  state: RootState
  /** Counts the loads of the root. Asynchronous work of an earlier load is discarded. */
  generation: number
}

/**
 * Finds the root of a view. A list suffices for the few roots, and takes less memory per client than a map.
 */
export function rootOf(roots: readonly Root[], { root }: View): Root | undefined {
  return roots.find(({ view }) => view.root === root)
}

/** Returns the roots whose view changes, with their new views. */
export function changesTo(
  roots: readonly Root[],
  views: readonly View[],
): { root: Root; view: View; old: View }[] {
  return views.flatMap((view) => {
    const root = rootOf(roots, view)
    return root && root.view !== view ? [{ root, view, old: root.view }] : []
  })
}
