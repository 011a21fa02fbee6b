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
 * Checks whether a view's moment must stay open, because another root of the same adapter is being brought to
 * the present. The client would show newer data of the others.
 */
export function isOpen(roots: readonly Root[], view: View): boolean {
  const holds = (root: Root) => root.view.feed === view.feed && root.state !== 'live' && !root.apart
  return roots.some(holds) && isGrouped(roots, view)
}

/**
 * Encodes the events that end the open moments of the roots' adapters. Each event is a delta without changes
 * for one of the live roots. The client then shows the kept events.
 */
export function* momentEnds(all: readonly Root[], of: readonly Root[]): Generator<Buffer> {
  for (const feed of new Set(of.map(({ view }) => view.feed))) {
    const live = all.find(({ view, state }) => view.feed === feed && state === 'live')?.view
    if (!live || !isGrouped(all, live) || isOpen(all, live)) continue
    const timestamp = new Date().toISOString()
    yield Buffer.from(encode({ event: 'delta', data: { root: live.root, timestamp, oplist: [] } }))
  }
}
