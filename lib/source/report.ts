import type { Change, ChangeListener, ReportedChange } from './source.ts'

/** Reports changes, of which some are encoded if the listener takes such changes. */
export function reportChanges(
  listener: ChangeListener,
  changes: readonly ReportedChange[],
  position: string,
): void {
  if (listener.encoded) listener.encoded.changes(changes, position)
  else listener.changes(changes.filter(isDecoded), position)
}

function isDecoded(change: ReportedChange): change is Change {
  return change.kind !== 'encoded'
}
