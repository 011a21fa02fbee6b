import { type Frame, MUST_RELOAD } from '../feed/frame.ts'
import type { Log } from '../feed/log.ts'
import type { View } from '../view/view.ts'
import type { Outbox } from './outbox.ts'

/** Describes a replay to one client. */
export interface ReplayRequest {
  /** The sequence of the client's data, for each view. */
  points: ReadonlyMap<View, number>
  /** Checks whether the replay is still needed. */
  current: () => boolean
  /** Whether the frames carry positions: the client has all data up to each replayed entry. */
  ids: boolean
  /** Checks whether a view's moment can't end before all of its adapter's roots have arrived. */
  isOpen: (view: View) => boolean
}

/**
 * Sends the log's entries after the views' points:
 *
 *    point+1 --> entry: frames of all views --> next entry --> ... --> head: arrived() --> live frames
 *       |             | missing, or without a delta: 'must-reload'
 *       +-- the reader is behind: wait, then 'cancelled' if the replay is no longer needed
 *
 * Calls `arrived` in the same step that reaches the log's head, so that no entry is missed between the last
 * replayed one and the first delivered one.
 */
export async function replay(
  log: Log,
  outbox: Outbox,
  { points, current, ids, isOpen }: ReplayRequest,
  arrived: () => void,
): Promise<'arrived' | 'cancelled' | 'must-reload'> {
  for (let at = Math.min(...points.values()) + 1; ; at++) {
    if (outbox.queue.behind) {
      await outbox.queue.room()
      if (!current()) return 'cancelled'
    }
    if (at > log.head) {
      arrived()
      return 'arrived'
    }
    const entry = log.at(at)
    if (!entry) return 'must-reload'
    const frames: [View, Frame][] = []
    for (const [view, point] of points) {
      if (at <= point || entry.feed !== view.feed) continue
      const shown = view.frame(entry)
      if (shown === MUST_RELOAD) return 'must-reload'
      if (shown) frames.push([view, shown])
    }
    // Where all roots were at the same point, each entry is a moment.
    for (const [view, frame] of frames) outbox.pushFrame(entry, frame.dated, ids, !ids && isOpen(view))
  }
}

/**
 * Names the way a view resumes from a point: by the log's entries, by a catch-up delta, or by a full load.
 */
type ResumeStrategy = 'replay' | 'diff' | 'reset'

/** Chooses the resume strategy of a view. */
function strategyOf(view: View, point: number): ResumeStrategy {
  if (!view.reaches(point)) return 'reset'
  return view.resumes(point) ? 'replay' : 'diff'
}

/** Groups roots by their resume strategy. */
export function byStrategy<R extends { view: View }>(
  roots: readonly R[],
  pointOf: (root: R) => number,
): Record<ResumeStrategy, R[]> {
  const groups: Record<ResumeStrategy, R[]> = { replay: [], diff: [], reset: [] }
  for (const root of roots) groups[strategyOf(root.view, pointOf(root))].push(root)
  return groups
}
