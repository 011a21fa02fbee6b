import { applyAll } from '../../model/apply.ts'
import { diff } from '../../model/diff.ts'
import type { Document, Json } from '../../model/document.ts'
import { idKey } from '../../model/id.ts'
import type { Operation } from '../../model/operation.ts'
import type { Change, DocumentChange } from '../../source/source.ts'
import { documentAfter } from './change.ts'

/**
 * Coalesces a transaction's changes to one change per document at most. Intermediate states inside a
 * transaction were never committed, so neither their values nor their matches may be sent. The changes'
 * positions still ascend.
 */
export function coalesceTransaction(group: readonly Change[]): readonly Change[] {
  if (group.length === 1) return group
  const coalesced = new Map<string, Change>()
  try {
    for (const change of group) add(coalesced, change)
  } catch {
    // Keeps a malformed change, whose error is reported when a view applies it.
    return group
  }
  return coalesced.size === group.length ? group : [...coalesced.values()]
}

function add(coalesced: Map<string, Change>, change: Change): void {
  const { collection } = change
  if (!('id' in change)) {
    for (const [key, earlier] of coalesced) if (earlier.collection === collection) coalesced.delete(key)
    coalesced.set(`${collection}\0`, change)
    return
  }
  const key = `${collection}\0${idKey(change.id)}`
  const earlier = coalesced.get(key) as DocumentChange | undefined
  const both = earlier ? merged(earlier, change) : change
  coalesced.delete(key)
  if (both) coalesced.set(key, both)
}

/** Merges two changes of one document. Returns undefined for changes that cancel out. */
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

/** Returns the document after both changes, if it is known. */
function documentOf(first: DocumentChange, second: DocumentChange): Document | undefined {
  const between = documentAfter(first)
  const known = documentAfter(second)
  if (known || !between) return known
  return applyAll(between, second.operations)
}

/** Returns the operations of `first` that `second` does not overwrite. */
function remaining(first: DocumentChange, second: DocumentChange): Operation[] {
  const isPlain = ({ operation, keys }: Operation) => (operation === 'set' || operation === 'unset') && !keys
  if (![...first.operations, ...second.operations].every(isPlain)) return first.operations
  return first.operations.filter(
    (one) => !second.operations.some(({ path }) => one.path === path || one.path.startsWith(`${path}.`)),
  )
}
