import type { WatchEntry } from '../../protocol/watched-root.ts'
import { entriesOf, type Limits, limitsOf } from '../watch-list.ts'
import type { JoinMessage, PartMessage } from './messages.ts'

/** Describes a tab that the stream is passed on to. */
export interface Session {
  readonly tab: string
  /** The roots that the tab watches, with their limits. */
  readonly wanted: Limits
  /** The watched roots that the tab has; `undefined` until it has got the model. */
  present?: readonly WatchEntry[] | undefined
  /** The request by which the tab has joined; `undefined` for the leader's own tab. */
  readonly join?: JoinMessage
  /** Sends a part to the tab. */
  send(part: Omit<PartMessage, 'type' | 'leader'>): void
  close?(): void
}

/** Returns the watched roots of a session that the stream has. */
export function targetOf({ wanted }: Session, present: Limits): WatchEntry[] {
  return entriesOf([...present].filter(([root]) => wanted.has(root)))
}

/**
 * Returns the roots that all tabs with a model watch together. A root has the largest limit that a tab asks
 * for.
 */
export function unionOf(sessions: Iterable<Session>): Limits {
  const union: Limits = new Map()
  for (const { wanted, join, present } of sessions) {
    if (join && !present) continue
    for (const [root, limit] of wanted) union.set(root, Math.max(limit, union.get(root) ?? 0))
  }
  return union
}

/** Applies the body of a request for changes of the watched roots. */
export function changeWanted(wanted: Limits, body: object): void {
  const { add = [], remove = [] } = body as { add?: WatchEntry[]; remove?: string[] }
  for (const root of remove) wanted.delete(root)
  for (const [root, limit] of limitsOf(add)) wanted.set(root, limit)
}
