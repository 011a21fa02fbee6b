import { applyToCopy } from '../../model/apply.ts'
import type { Document } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { DocumentOperation, Operation } from '../../model/operation.ts'
import { firstOf } from '../../policy/verdict.ts'
import type { DocumentChange } from '../../source/source.ts'
import { documentAfter } from '../feed/change.ts'
import { BARRIER } from '../feed/frame.ts'
import type { Lens } from './filter.ts'
import type { Step, Window } from './sorted-window.ts'

/** What a change does to a window. */
interface Move {
  steps: Step[]
  /** The changed document, where it is known whole. */
  document: Document | undefined
}

/** Whether a view that has an order can show an update only with the document at hand. */
export function needsDocument(window: Window, lens: Lens, change: DocumentChange): boolean {
  if (change.document) return false
  try {
    if (window.get(idKey(change.id))) {
      return !window.whole && (isOpaque(lens, change) || lens.needsDocument(change, true))
    }
    const verdict = lens.judgeUnheld(change)
    return verdict === 'in' || verdict === 'unknown'
  } catch {
    // A malformed change: showing it reports that, and a document wouldn't help.
    return false
  }
}

/**
 * What is to be seen of a change in a view that has an order: `at` tells places. The window takes the change
 * in. Where the change doesn't tell enough, the view must be read again.
 *
 * @throws ParticleError where an operation is malformed
 */
export function arrange(
  window: Window,
  lens: Lens,
  change: DocumentChange,
): DocumentOperation[] | typeof BARRIER {
  const move = follow(window, lens, change)
  if (move === BARRIER) return BARRIER
  const oplist: DocumentOperation[] = []
  for (const step of move.steps) {
    const shown = tell(step, move, lens, change)
    if (shown === BARRIER) return BARRIER
    oplist.push(...shown)
  }
  return oplist
}

/**
 * Takes a change that was made while the window was read into it, by values. False where it can't be told
 * what it does.
 */
export function fold(window: Window, lens: Lens, change: DocumentChange): boolean {
  return follow(window, lens, change, true) !== BARRIER
}

/** `lenient`: the document may be newer than the change. */
function follow(window: Window, lens: Lens, change: DocumentChange, lenient = false): Move | typeof BARRIER {
  const key = idKey(change.id)
  const gone = () => ({ steps: window.remove(key), document: undefined })
  if (change.kind === 'delete') return gone()
  const held = window.get(key)
  let document = documentAfter(change)
  let part: Document | undefined
  if (!document) {
    const verdict = held ? lens.judge(change) : lens.judgeUnheld(change)
    if (!held) return verdict === 'same' || verdict === 'out' ? { steps: [], document } : BARRIER
    if (window.whole) document = applied(held.document, change.operations, lenient)
    else if (verdict === 'out') return gone()
    else if (verdict === 'unknown' || isOpaque(lens, change)) return BARRIER
    else part = applied(held.document, change.operations.filter(isOrdering(lens)), lenient)
  }
  if (document && lens.matches && !lens.matches(document)) return gone()
  return { steps: window.put(document ?? part ?? {}), document }
}

function tell(
  step: Step,
  { document }: Move,
  lens: Lens,
  change: DocumentChange,
): DocumentOperation[] | typeof BARRIER {
  const { item } = step
  const id = item.document._id ?? null
  if (step.kind === 'leave') return [{ operation: 'unset', id, path: '.' }]
  if (step.kind === 'enter') {
    const whole = item.key === idKey(change.id) ? (document ?? item.document) : item.document
    const data = whole as Operation['data'] & object
    const shown = lens.filter({ ...change, id, document: whole }, [{ operation: 'set', path: '.', data }])
    return shown === BARRIER ? BARRIER : shown.map((operation) => ({ ...operation, at: step.at }))
  }
  const shown = lens.filter(document ? { ...change, document } : change, change.operations)
  if (shown === BARRIER || !step.moved) return shown
  const [only] = shown
  if (shown.length === 1 && only?.path === '.' && only.operation === 'set') return [{ ...only, at: step.at }]
  return [...shown, { operation: 'noop', id, path: '.', at: step.at }]
}

function applied(document: Document, operations: readonly Operation[], lenient: boolean): Document {
  let after = document
  for (const operation of operations) {
    try {
      after = applyToCopy(after, operation) ?? after
    } catch (error) {
      // The document was read in a newer shape, which this operation doesn't fit; the change that gave it
      // that shape follows.
      if (!lenient) throw error
    }
  }
  return after
}

/** Whether an update moves a document to a place that what is known of it doesn't tell. */
function isOpaque(lens: Lens, change: DocumentChange): boolean {
  return lens.moves(change) && change.operations.some(({ operation }) => operation === 'rename')
}

function isOrdering(lens: Lens): (operation: Operation) => boolean {
  return ({ path, keys }) => {
    const first = firstOf(path, keys)
    return first !== undefined && lens.order?.fields.has(first) === true
  }
}
