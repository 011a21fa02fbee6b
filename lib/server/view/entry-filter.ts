import { idKey } from '../../model/id.ts'
import type { DocumentOperation } from '../../model/operation.ts'
import { MUST_RELOAD } from '../feed/frame.ts'
import type { Entry } from '../feed/log.ts'
import type { ViewFilter } from './filter.ts'
import type { Members } from './members.ts'
import { applyChange } from './ordered-filter.ts'

/** What a view shows of an entry. */
interface FilteredEntry {
  readonly oplist: DocumentOperation[]
  /** When the last change was made that is shown. */
  readonly timestamp: string
  /** Whether something was left out that clients hold already, as only the members could tell. */
  readonly recognized: boolean
}

/**
 * Filters an entry by what a view shows. `note`: the members are those of right before the entry, and become
 * those of after it.
 *
 * @throws ParticleError where an operation is malformed
 */
export function filterEntry(
  entry: Entry,
  { collection, filter }: { readonly collection: string; readonly filter: ViewFilter },
  members: Members,
  note: boolean,
): FilteredEntry | typeof MUST_RELOAD {
  const { window } = members
  // Before anything is noted: what clients hold is what they held before the entry.
  if (entry.changes.some((change) => change.collection === collection && !('id' in change)))
    return MUST_RELOAD
  const oplist: DocumentOperation[] = []
  const digests = new Map<string, number>()
  const seen = entry.changes.length > 1 ? new Set<string>() : undefined
  let timestamp = ''
  let recognized = false
  for (const change of entry.changes) {
    if (change.collection !== collection || !('id' in change)) continue
    const key = idKey(change.id)
    // After an earlier change in the entry, whose document may have been looked up later, the members may be
    // ahead of what clients hold.
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
    if (after !== undefined) digests.set(key, after)
    else digests.delete(key)
    // What clients hold must be known until it is certain that they are told this.
    if (note && !window) members.note(operations)
  }
  if (window?.short) return MUST_RELOAD
  if (note && window) members.note(oplist)
  if (note) members.keep(digests)
  return { oplist, timestamp, recognized }
}
