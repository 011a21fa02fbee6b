import { applyOwning } from '../../model/apply.ts'
import type { Owned } from '../../model/change.ts'
import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { DocumentOperation, Operation } from '../../model/operation.ts'
import { firstOf } from '../../policy/verdict.ts'
import type { DocumentChange } from '../../source/source.ts'
import { documentAfter } from '../feed/change.ts'
import { MUST_RELOAD } from '../feed/frame.ts'
import type { ViewFilter } from './filter.ts'
import type { SortedWindow, Step } from './sorted-window.ts'

/** Describes the effect of a change on a window. */
interface Move {
  steps: Step[]
  /** The whole changed document, if it is known. */
  document: Document | undefined
}

/** Checks whether an ordered view can show an update only with its document. */
export function needsDocument(window: SortedWindow, filter: ViewFilter, change: DocumentChange): boolean {
  if (change.document) return false
  try {
    if (window.get(idKey(change.id))) {
      return !window.whole && (isOpaque(filter, change) || filter.needsDocument(change, true))
    }
    const verdict = filter.matchUnheld(change)
    return verdict === 'in' || verdict === 'unknown'
  } catch {
    // Leaves a malformed change to `applyChange`, which reports it. The document would not help.
    return false
  }
}

/**
 * Applies a change to the window of an ordered view, and returns the visible operations, with places in `at`.
 * Returns `MUST_RELOAD` when the change doesn't tell enough. With `isExact`, clients hold the document as the
 * window has it.
 *
 * @throws ParticleError when an operation is malformed
 */
export function applyChange(
  window: SortedWindow,
  filter: ViewFilter,
  change: DocumentChange,
  isExact: boolean,
): DocumentOperation[] | typeof MUST_RELOAD {
  const held = isExact && window.whole ? window.get(idKey(change.id))?.document : undefined
  const move = follow(window, filter, change)
  if (move === MUST_RELOAD) return MUST_RELOAD
  const oplist: DocumentOperation[] = []
  for (const step of move.steps) {
    const shown = tell(step, move, filter, change, held)
    if (shown === MUST_RELOAD) return MUST_RELOAD
    oplist.push(...shown)
  }
  return oplist
}

/**
 * Applies a change that was made during the window's read. Returns false when the change doesn't tell enough.
 */
export function foldChange(window: SortedWindow, filter: ViewFilter, change: DocumentChange): boolean {
  return follow(window, filter, change, true) !== MUST_RELOAD
}

/** Applies a change to the window. With `lenient`, the window's document may be newer than the change. */
function follow(
  window: SortedWindow,
  filter: ViewFilter,
  change: DocumentChange,
  lenient = false,
): Move | typeof MUST_RELOAD {
  const key = idKey(change.id)
  const gone = () => ({ steps: window.remove(key), document: undefined })
  if (change.kind === 'delete') return gone()
  const held = window.get(key)
  let document = documentAfter(change)
  let part: Document | undefined
  if (!document) {
    const verdict = held ? filter.match(change) : filter.matchUnheld(change)
    if (!held) return verdict === 'same' || verdict === 'out' ? { steps: [], document } : MUST_RELOAD
    if (window.whole) document = applied(held.document, change.operations, lenient)
    else if (verdict === 'out') return gone()
    else if (verdict === 'unknown' || isOpaque(filter, change)) return MUST_RELOAD
    else part = applied(held.document, change.operations.filter(isOrdering(filter)), lenient)
  }
  if (document && filter.matches && !filter.matches(document)) return gone()
  return { steps: window.put(document ?? part ?? {}), document }
}

function tell(
  step: Step,
  { document }: Move,
  filter: ViewFilter,
  change: DocumentChange,
  held: Document | undefined,
): DocumentOperation[] | typeof MUST_RELOAD {
  const { item } = step
  const id = item.document._id ?? null
  if (step.kind === 'leave') return [{ operation: 'unset', id, path: '.' }]
  if (step.kind === 'enter') {
    const whole = item.key === idKey(change.id) ? (document ?? item.document) : item.document
    const data = whole as Operation['data'] & object
    const shown = filter.cut({ ...change, id, document: whole }, [{ operation: 'set', path: '.', data }])
    return shown === MUST_RELOAD ? MUST_RELOAD : shown.map((operation) => ({ ...operation, at: step.at }))
  }
  const shown = filter.showHeld(document ? { ...change, document } : change, held)
  if (shown === MUST_RELOAD || !step.moved) return shown
  const [only] = shown
  if (shown.length === 1 && only?.path === '.' && only.operation === 'set') return [{ ...only, at: step.at }]
  return [...shown, { operation: 'noop', id, path: '.', at: step.at }]
}

function applied(document: Document, operations: readonly Operation[], lenient: boolean): Document {
  const owned: Owned = new Set()
  let after = document
  for (const operation of operations) {
    try {
      after = applyOwning(after, operation, owned) ?? after
    } catch (error) {
      // Skips an operation that doesn't fit a newer document. The change that gave the document its new shape
      // follows.
      if (!lenient) throw error
    }
  }
  return after
}

/** Checks whether an update moves a document to a place that only the whole document tells. */
function isOpaque(filter: ViewFilter, change: DocumentChange): boolean {
  return filter.moves(change) && change.operations.some(({ operation }) => operation === 'rename')
}

function isOrdering(filter: ViewFilter): (operation: Operation) => boolean {
  return ({ path, keys }) => {
    const first = firstOf(path, keys)
    return first !== undefined && filter.order?.fields.has(first) === true
  }
}
