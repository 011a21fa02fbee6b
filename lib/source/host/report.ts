import type { Change, ChangeListener } from '../source.ts'

/** Describes one call of a {@link ChangeListener} as a value, which can be held back and passed on. */
export type Report =
  | { kind: 'changes'; changes: readonly Change[]; position: string }
  | { kind: 'progress'; position: string }
  | { kind: 'lost'; reason: string; position: string }
  | { kind: 'error'; error: unknown }

/** Returns a listener that turns each call into a report. */
export function listenerOf(take: (report: Report) => void): ChangeListener {
  return {
    changes: (changes, position) => take({ kind: 'changes', changes, position }),
    progress: (position) => take({ kind: 'progress', position }),
    lost: (reason, position) => take({ kind: 'lost', reason, position }),
    error: (error) => take({ kind: 'error', error }),
  }
}

/** Makes the call that a report describes. */
export function passTo(listener: ChangeListener, report: Report): void {
  if (report.kind === 'changes') listener.changes(report.changes, report.position)
  else if (report.kind === 'progress') listener.progress(report.position)
  else if (report.kind === 'lost') listener.lost(report.reason, report.position)
  else listener.error(report.error)
}
