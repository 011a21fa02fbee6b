import { idKey } from '../../model/id.ts'
import type { DocumentOperation } from '../../model/operation.ts'
import { isOfDocument } from '../feed/change.ts'
import { MUST_RELOAD } from '../feed/frame.ts'
import type { Entry } from '../feed/log.ts'
import type { ViewFilter } from './filter.ts'
import type { Members } from './members.ts'
import { applyChange } from './ordered-filter.ts'

/** Describes the part of an entry that a view shows. */
interface FilteredEntry {
  readonly oplist: DocumentOperation[]
  /** The time of the last visible change. */
  readonly timestamp: string
  /** Whether the members showed that clients already hold a part of the entry, which was left out. */
  readonly recognized: boolean
}

/**
 * Filters an entry for a view. With `note`, the members are those before the entry, and become those after
 * it.
 *
 * @throws ParticleError when an operation is malformed
 */
export function filterEntry(
  entry: Entry,
  { collection, filter }: { readonly collection: string; readonly filter: ViewFilter },
  members: Members,
  note: boolean,
): FilteredEntry | typeof MUST_RELOAD {
  const { window } = members
  // Checks for a reload first, before the members change: they must still describe the data of the clients.
  const changes = entry.changesOf(collection)
  if (!changes.every(isOfDocument)) return MUST_RELOAD
  const oplist: DocumentOperation[] = []
  let digests: Map<string, number> | undefined
  const seen = changes.length > 1 ? new Set<string>() : undefined
  let timestamp = ''
  let recognized = false
  for (const change of changes) {
    const key = idKey(change.id)
    // Marks later changes of the same document. An earlier change may contain a document that was looked up
    // later, so that the members are newer than the clients' data.
    const isFirst = !seen?.has(key)
    seen?.add(key)
    const operations = window
      ? applyChange(window, filter, change, isFirst)
      : filter.show(change, members.has(key))
    if (operations === MUST_RELOAD) return MUST_RELOAD
    if (operations.length === 0) continue
    const after = note ? members.digestAfter(change, operations) : undefined
    if (after !== undefined && isFirst && members.holds(key, after, operations)) {
      recognized = true
      continue
    }
    for (const operation of operations) oplist.push(operation)
    timestamp = change.timestamp
    if (after === undefined) digests?.delete(key)
    else {
      digests ??= new Map()
      digests.set(key, after)
    }
    // Updates the members only after the filter has succeeded. Until then they describe the data of the
    // clients.
    if (note && !window) members.note(operations)
  }
  // Shows no document that entered and left within the entry: it never was in the view.
  const passes = ({ operation, path, id }: DocumentOperation) =>
    operation === 'unset' && path === '.' && !members.has(idKey(id))
  if (window && (window.short || oplist.some(passes))) return MUST_RELOAD
  if (note && window) members.note(oplist)
  if (note && digests) members.keep(digests)
  return { oplist, timestamp, recognized }
}
