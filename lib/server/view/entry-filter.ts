import { idKey } from '../../model/id.ts'
import type { DocumentOperation } from '../../model/operation.ts'
import { MUST_RELOAD } from '../feed/frame.ts'
import type { Entry } from '../feed/log.ts'
import type { ViewFilter } from './filter.ts'
import type { Members } from './members.ts'
import { applyChange } from './ordered-filter.ts'

/** What a view shows of an entry. */
interface FilteredEntry {
  readonly oplist: readonly DocumentOperation[]
  readonly timestamp: string
}

/**
 * Filters the changes of an entry for a view, in order. `note`: the members are then as they are after it.
 * Returns `MUST_RELOAD` where the entry can't be told as a delta.
 */
export function filterEntry(
  entry: Entry,
  { collection, filter }: { readonly collection: string; readonly filter: ViewFilter },
  members: Members,
  note: boolean,
): FilteredEntry | typeof MUST_RELOAD {
  const { window } = members
  const oplist: DocumentOperation[] = []
  let timestamp = ''
  for (const change of entry.changes) {
    if (change.collection !== collection) continue
    if (change.kind === 'clear' || change.kind === 'reload') return MUST_RELOAD
    const operations = window
      ? applyChange(window, filter, change)
      : filter.show(change, members.has(idKey(change.id)))
    if (operations === MUST_RELOAD) return MUST_RELOAD
    // What clients hold must be known until it is certain that they are told this.
    if (note && !window) members.note(operations)
    for (const operation of operations) oplist.push(operation)
    timestamp = change.timestamp
  }
  if (window?.short) return MUST_RELOAD
  if (note && window) members.note(oplist)
  return { oplist, timestamp }
}
