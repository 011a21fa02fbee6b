import { type Frame, MUST_RELOAD } from '../feed/frame.ts'
import type { Log } from '../feed/log.ts'
import type { View } from '../view/view.ts'
import type { Outbox } from './outbox.ts'

/** What is to be replayed to one client. */
export interface Replaying {
  /** For each view, the sequence up to which the client holds it. */
  points: ReadonlyMap<View, number>
  /** Whether it is still to be done. */
  current: () => boolean
  /** Whether the client holds everything up to each entry once it has its frames. */
  ids: boolean
}

/**
 * Sends what the log has for the views after their points. Calls `arrived` in the very step in which it finds
 * the log's head: nothing can come between the last entry replayed and the first delivered.
 *
 * Resolves to `overtaken` where it is not to be done any more, to `barred` where an entry is gone or can't be
 * told.
 */
export async function replay(
  log: Log,
  outbox: Outbox,
  { points, current, ids }: Replaying,
  arrived: () => void,
): Promise<'arrived' | 'overtaken' | 'barred'> {
  for (let at = Math.min(...points.values()) + 1; ; at++) {
    if (outbox.queue.behind) {
      await outbox.queue.room()
      if (!current()) return 'overtaken'
    }
    if (at > log.head) {
      arrived()
      return 'arrived'
    }
    const entry = log.at(at)
    if (!entry) return 'barred'
    const frames: Frame[] = []
    for (const [view, point] of points) {
      if (at <= point || entry.feed !== view.feed) continue
      const shown = view.frame(entry)
      if (shown === MUST_RELOAD) return 'barred'
      if (shown) frames.push(shown)
    }
    for (const frame of frames) outbox.pushFrame(entry, frame, ids)
  }
}

/** How a view goes on from a point: by what the log tells, by a difference, or not at all. */
type ResumeStrategy = 'replay' | 'diff' | 'reset'

function strategyOf(view: View, point: number): ResumeStrategy {
  if (!view.reaches(point)) return 'reset'
  return view.resumes(point) ? 'replay' : 'diff'
}

/** Groups roots by how they go on from their points. */
export function byStrategy<R extends { view: View }>(
  roots: readonly R[],
  pointOf: (root: R) => number,
): Record<ResumeStrategy, R[]> {
  const groups: Record<ResumeStrategy, R[]> = { replay: [], diff: [], reset: [] }
  for (const root of roots) groups[strategyOf(root.view, pointOf(root))].push(root)
  return groups
}
