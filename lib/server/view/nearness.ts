import type { Log, Origin } from '../feed/log.ts'

/** Compares the query of a read to the work of as many changes. */
const READ_COST = 1000

/** Describes the view whose changes are counted. */
interface Counted {
  readonly feed: Origin
  readonly collection: string
}

/**
 * Checks whether it is less work to apply the changes after a sequence than to read a view's documents.
 * Entries in which nothing changed for the view cost next to nothing, however many they are. With `shown`, the
 * changes that the view has shown count, else all changes of its collection.
 */
export function isNear(
  view: Counted,
  log: Log,
  sequence: number,
  documents: number,
  shown: boolean,
): boolean {
  let rest = documents + READ_COST
  if (log.head - sequence <= rest) return true
  for (const { frames, changes } of log.after(sequence, view.feed)) {
    if (shown) rest -= frames.get(view) ? 1 : 0
    else for (const { collection } of changes) if (collection === view.collection) rest--
    if (rest < 0) return false
  }
  return true
}
