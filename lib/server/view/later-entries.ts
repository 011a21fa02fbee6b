import type { DocumentOperation } from '../../model/operation.ts'
import { type FrameResult, MUST_RELOAD } from '../feed/frame.ts'
import type { Entry, Log, Origin } from '../feed/log.ts'

/** The cost of a read's query, as a number of changes. */
const READ_COST = 1000

/**
 * Returns the operations that a view shows for the log's entries after a sequence. Returns undefined when
 * operations can't express an entry.
 */
export function operationsAfter(
  view: { readonly feed: Origin; frame(entry: Entry): FrameResult | null },
  log: Log,
  sequence: number,
): DocumentOperation[] | undefined {
  const oplist: DocumentOperation[] = []
  for (const entry of log.after(sequence, view.feed)) {
    const shown = view.frame(entry)
    if (shown === MUST_RELOAD) return undefined
    for (const operation of shown?.oplist ?? []) oplist.push(operation)
  }
  return oplist
}

/** Describes the view whose changes are counted. */
interface Counted {
  readonly feed: Origin
  readonly collection: string
}

/** Describes the known documents of a view: their number, and the sequence of their last entry. */
interface Known {
  readonly sequence: number
  readonly documents: number
}

/**
 * Checks whether applying the later changes costs less than reading a view's documents. Entries
 * without a change of the view cost almost nothing. With `shown`, the changes that the view has shown count,
 * otherwise all changes of its collection.
 */
export function isNear(view: Counted, log: Log, { sequence, documents }: Known, shown: boolean): boolean {
  let rest = documents + READ_COST
  if (log.head - sequence <= rest) return true
  for (const entry of log.after(sequence, view.feed)) {
    if (shown) rest -= entry.resultOf(view) ? 1 : 0
    else rest -= entry.countOf(view.collection)
    if (rest < 0) return false
  }
  return true
}
