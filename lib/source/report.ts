import type { Change, ChangeListener, ReportedChange } from './source.ts'

/**
 * Reports changes to a listener, or only the progress if there are no changes. Leaves out encoded changes if
 * the listener does not take them.
 */
export function reportChanges(
  listener: ChangeListener,
  changes: readonly ReportedChange[],
  position: string,
): void {
  if (changes.length === 0) listener.progress(position)
  else if (listener.encoded) listener.encoded.changes(changes, position)
  else listener.changes(changes.filter(isDecoded), position)
}

function isDecoded(change: ReportedChange): change is Change {
  return change.kind !== 'encoded'
}
