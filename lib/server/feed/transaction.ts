import { applyAll } from '../../model/apply.ts'
import { diff } from '../../model/diff.ts'
import type { Document, Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { Operation } from '../../model/operation.ts'
import type { Change, DocumentChange } from '../../source/source.ts'
import { documentAfter } from './change.ts'

/**
 * What a transaction's changes come to: one change a document at most. What a document was only within it the
 * source never had, and nobody may be told: neither the values, nor, where it matched a criteria only then,
 * the document. The changes' positions go on to ascend.
 */
export function coalesceTransaction(group: readonly Change[]): readonly Change[] {
  if (group.length === 1) return group
  const net = new Map<string, Change>()
  try {
    for (const change of group) add(net, change)
  } catch {
    // A malformed change: showing it reports that.
    return group
  }
  return net.size === group.length ? group : [...net.values()]
}

function add(net: Map<string, Change>, change: Change): void {
  const { collection } = change
  if (!('id' in change)) {
    for (const [key, earlier] of net) if (earlier.collection === collection) net.delete(key)
    net.set(`${collection}\0`, change)
    return
  }
  const key = `${collection}\0${idKey(change.id)}`
  const earlier = net.get(key) as DocumentChange | undefined
  const both = earlier ? merged(earlier, change) : change
  net.delete(key)
  if (both) net.set(key, both)
}

/** What two changes of one document come to; undefined where that is nothing. */
function merged(first: DocumentChange, second: DocumentChange): DocumentChange | undefined {
  const { before: _, document: __, ...rest } = second
  const isNew = first.kind === 'insert'
  const base = { ...rest, ...(first.before ? { before: first.before } : {}) }
  if (second.kind === 'delete') return isNew ? undefined : base
  const document = documentOf(first, second)
  const both = [...remaining(first, second), ...second.operations]
  if (!document) return { ...base, operations: both }
  const whole: Operation[] = [{ operation: 'set', path: '.', data: document as Json }]
  if (isNew) return { ...base, kind: 'insert', operations: whole, document }
  const operations = first.before ? diff(first.before, document) : both
  if (operations.length === 0) return undefined
  const isUpdate = first.before
    ? operations[0]?.path !== '.'
    : first.kind === second.kind && second.kind === 'update'
  return isUpdate
    ? { ...base, kind: 'update', operations, document }
    : { ...base, kind: 'replace', operations: whole, document }
}

/** The document after both, where it's known. */
function documentOf(first: DocumentChange, second: DocumentChange): Document | undefined {
  const between = documentAfter(first)
  const told = documentAfter(second)
  if (told || !between) return told
  return applyAll(between, second.operations)
}

/** What of the first the second does not do over. */
function remaining(first: DocumentChange, second: DocumentChange): Operation[] {
  const isPlain = ({ operation, keys }: Operation) => (operation === 'set' || operation === 'unset') && !keys
  if (![...first.operations, ...second.operations].every(isPlain)) return first.operations
  return first.operations.filter(
    (one) => !second.operations.some(({ path }) => one.path === path || one.path.startsWith(`${path}.`)),
  )
}
