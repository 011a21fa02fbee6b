import { Frame, type FrameResult, MUST_RELOAD } from '../feed/frame.ts'
import type { Entry } from '../feed/log.ts'
import { filterEntry } from './entry-filter.ts'
import type { ViewFilter } from './filter.ts'
import type { Members } from './members.ts'

/** The bytes that the log counts for an entry without news for clients. */
const NOTHING = 50

/** Describes a view, as far as its frames use it. */
interface FramedView {
  readonly root: string
  readonly collection: string
  readonly filter: ViewFilter
}

/** Receives the errors of malformed changes. */
export type OnError = (error: unknown, root: string) => void

/**
 * Filters an entry for a view, and keeps the result in the entry. Returns null when the entry shows the
 * viewers nothing new. With `note`, the members are those before the entry, and become those after it.
 */
export function frameOf(
  entry: Entry,
  view: FramedView,
  members: Members,
  onError: OnError,
  note: boolean,
): FrameResult | null {
  let result: FrameResult | null
  try {
    result = filtered(entry, view, members, note)
  } catch (error) {
    // Reloads the view after a malformed change. It must neither leave clients wrong nor stop other views.
    onError(error, view.root)
    result = MUST_RELOAD
  }
  if (result) entry.keep(view, result)
  return result
}

function filtered(entry: Entry, view: FramedView, members: Members, note: boolean): FrameResult | null {
  const shown = filterEntry(entry, view, members, note)
  if (shown === MUST_RELOAD) return MUST_RELOAD
  const { oplist, timestamp, recognized } = shown
  // Copies the list: one that was filled step by step takes 128 bytes more, as long as the log keeps it.
  if (oplist.length > 0) return new Frame(view.root, timestamp, oplist.slice(), entry)
  if (recognized) {
    // Keeps the result. A replay uses later members, and could not recognize the entry again.
    entry.keep(view, null)
    entry.account(NOTHING)
  }
  return null
}
