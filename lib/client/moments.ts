import type { EventData, ServerEvent } from '../protocol/messages.ts'

/** Names the events that change the documents of a root. */
export type DataEvent = Extract<ServerEvent, { event: 'payload' | 'delta' }>

type Together = EventData['manifest']['together']

/** Holds the roots of one adapter, which the client shows as of one moment. */
interface Group {
  /** The events of the moment that has not ended, in order. */
  kept: DataEvent[]
  /**
   * Whether the client shows moments of the group. A new client shows each root after its documents have
   * arrived.
   */
  whole: boolean
  /** The group that takes the one root in, which the client does not show yet, at the root's first end. */
  into?: Group
}

/**
 * Keeps events until their moment ends, so that the client never shows a part of a transaction:
 *
 *    payload, or delta with `more` --> kept --delta without `more`, or `ready`--> applied together
 *
 * A root that shares its adapter with no other root has no moments: its events are applied at once. A root that
 * the client does not show yet is kept by itself, and holds up no other root.
 */
export class Moments {
  readonly #groups = new Map<string, Group>()

  /** Begins a stream. Drops the kept events, since the stream sends them again. */
  begin(together: Together, isShown: (root: string) => boolean): void {
    this.#groups.clear()
    this.regroup(together, isShown)
  }

  /**
   * Sets which roots share an adapter, and keeps the events of roots that still do.
   *
   * @param isShown whether the client shows a root
   */
  regroup(together: Together = [], isShown: (root: string) => boolean): void {
    const before = new Set(this.#groups.values())
    this.#groups.clear()
    for (const roots of together) {
      const kept = [...before].flatMap((group) => group.kept.filter(({ data }) => roots.includes(data.root)))
      const whole = roots.some(isShown)
      const group: Group = { kept: kept.filter(({ data }) => isShown(data.root)), whole }
      for (const root of roots) {
        const own = kept.filter(({ data }) => data.root === root)
        this.#groups.set(root, whole && !isShown(root) ? { kept: own, whole, into: group } : group)
      }
    }
  }

  /** Drops the kept events of a root, whose documents are loaded again. */
  reset(root: string): void {
    const group = this.#groups.get(root)
    if (group) group.kept = group.kept.filter(({ data }) => data.root !== root)
  }

  /** Takes an event. Returns the events to apply now, in order. */
  take(event: DataEvent): readonly DataEvent[] {
    const group = this.#groups.get(event.data.root)
    if (!group) return [event]
    const ends = event.event === 'delta' && !event.data.more
    if (!group.whole && !ends) return [event]
    group.kept.push(event)
    if (!ends) return []
    if (group.into) this.#groups.set(event.data.root, group.into)
    return end(group)
  }

  /** Ends all moments. Returns the events to apply now. */
  end(): readonly DataEvent[] {
    const groups = new Set(this.#groups.values())
    for (const [root, { into }] of this.#groups) if (into) this.#groups.set(root, into)
    return [...groups].flatMap(end)
  }
}

function end(group: Group): readonly DataEvent[] {
  const { kept } = group
  group.kept = []
  group.whole = true
  return kept
}
