import { encode } from '../../protocol/encode.ts'
import type { View } from '../view/view.ts'
import type { Root } from './root.ts'

/** Groups views by their adapter. A client shows the roots of one adapter as of one moment. */
export function togetherOf(views: readonly View[]): string[][] {
  const groups = new Map<object, string[]>()
  for (const { feed, root } of views) groups.set(feed, [...(groups.get(feed) ?? []), root])
  return [...groups.values()].filter(({ length }) => length > 1)
}

/** Checks whether other roots of the client share the view's adapter. */
export function isGrouped(roots: readonly Root[], { root, feed }: View): boolean {
  return roots.some(({ view }) => view.feed === feed && view.root !== root)
}

/**
 * Checks whether a view's moment must stay open, because a root of the same adapter is being brought to the
 * present. The client would show newer data of the others. A root that is apart holds up itself alone.
 */
export function isOpen(roots: readonly Root[], { root, feed }: View): boolean {
  const holds = ({ view, state, apart }: Root) =>
    view.feed === feed && state !== 'live' && (!apart || view.root === root)
  return roots.some(holds) && roots.some(({ view }) => view.feed === feed && view.root !== root)
}

/**
 * Encodes the events that end the open moments of the roots' adapters. Each event is a delta without changes
 * for a live root. The client then shows the kept events.
 */
export function* momentEnds(all: readonly Root[], of: readonly Root[]): Generator<Buffer> {
  const feeds = new Set(of.map(({ view }) => view.feed))
  for (const { view, state } of all) {
    if (!feeds.has(view.feed) || state !== 'live' || !isGrouped(all, view) || isOpen(all, view)) continue
    yield Buffer.from(encode({ event: 'delta', data: { root: view.root, oplist: [] } }))
  }
}
