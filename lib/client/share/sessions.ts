import type { WatchEntry } from '../../protocol/watched-root.ts'
import { entriesOf, type Limits, limitsOf } from '../watch-list.ts'
import type { JoinMessage, PartMessage, SharedEvent } from './messages.ts'

/** Describes a tab that the stream is passed on to. */
export interface Session {
  readonly tab: string
  /** The roots that the tab watches, with their limits. */
  readonly wanted: Limits
  /** The watched roots that the tab has; `undefined` until it has got the model. */
  present: readonly WatchEntry[] | undefined
  /** The request of a tab that waits for the model. */
  join?: JoinMessage | undefined
  /** Sends events to the tab alone. */
  send(part: Omit<PartMessage, 'type' | 'leader'>): void
  close(): void
}

/** Returns the watched roots of a session that the stream has. */
export function targetOf({ wanted }: Session, present: Limits): WatchEntry[] {
  return entriesOf([...present].filter(([root]) => wanted.has(root)))
}

/** Returns the roots that all tabs together watch. A root has the largest limit that a tab asks for. */
export function unionOf(sessions: Iterable<Session>): Limits {
  const union: Limits = new Map()
  for (const { wanted, join } of sessions) {
    if (join) continue
    for (const [root, limit] of wanted) union.set(root, Math.max(limit, union.get(root) ?? 0))
  }
  return union
}

/** Changes the roots that a tab watches. */
export function change(
  { wanted }: Session,
  { add = [], remove = [] }: { add?: WatchEntry[]; remove?: string[] },
): void {
  for (const root of remove) wanted.delete(root)
  for (const [root, limit] of limitsOf(add)) wanted.set(root, limit)
}

/** Keeps the last events, from which tabs with an earlier position continue. */
export class Recent {
  readonly #maxLength: number
  /** The events, each with the position before it. */
  #events: SharedEvent[] = []
  #start = ''
  #length = 0

  /** @param maxLength limits the characters of all events together */
  constructor(maxLength: number) {
    this.#maxLength = maxLength
  }

  /** Begins at a position. */
  begin(position: string): void {
    this.#events = []
    this.#start = position
    this.#length = 0
  }

  add(event: SharedEvent): void {
    this.#events.push(event)
    this.#length += event.data.length
    while (this.#length > this.#maxLength) {
      const first = this.#events.shift()
      if (!first) return
      this.#length -= first.data.length
      this.#start = first.id
    }
  }

  /** Returns the events after a position. Returns undefined for a position that is too old or unknown. */
  after(position: string): readonly SharedEvent[] | undefined {
    if (position === '') return undefined
    if (position === this.#start) return [...this.#events]
    const index = this.#events.findLastIndex(({ id }) => id === position)
    return index < 0 ? undefined : this.#events.slice(index + 1)
  }
}
