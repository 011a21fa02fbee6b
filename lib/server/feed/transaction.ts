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
 * positions still ascend. The cost is linear in the number of operations.
 */
export function coalesceTransaction(group: readonly Change[]): readonly Change[] {
  if (group.length === 1) return group
  const chains = new Map<string, Chain>()
  try {
    for (const change of group) add(chains, change)
    return chains.size === group.length ? group : [...chains.values()].flatMap(merged)
  } catch {
    // Keeps a malformed change, whose error is reported when a view applies it.
    return group
  }
}

/** Holds the changes of one document, in order, or a single change of a whole collection. */
type Chain = [DocumentChange, ...DocumentChange[]] | [Exclude<Change, DocumentChange>]

function add(chains: Map<string, Chain>, change: Change): void {
  const { collection } = change
  if (!('id' in change)) {
    for (const [key, [earlier]] of chains) if (earlier.collection === collection) chains.delete(key)
    chains.set(`${collection}\0`, [change])
    return
  }
  const key = `${collection}\0${idKey(change.id)}`
  const chain = chains.get(key)
  // Appends the key anew, since the position of a chain is that of its last change.
  chains.delete(key)
  if (!chain || !('id' in chain[0])) chains.set(key, [change])
  else if (change.kind !== 'delete' || chain[0].kind !== 'insert') {
    const longer = chain as DocumentChange[]
    longer.push(change)
    chains.set(key, chain)
  }
}

/** Merges the changes of one document. Returns no change where they cancel out. */
function merged(chain: Chain): Change[] {
  const [first] = chain
  const last = chain.at(-1) ?? first
  if (chain.length === 1 || !('id' in first) || !('id' in last)) return [...chain]
  const changes = chain as DocumentChange[]
  const { before: _, document: __, ...rest } = last
  const base = { ...rest, ...(first.before ? { before: first.before } : {}) }
  if (last.kind === 'delete') return [base]
  const document = documentOf(changes)
  if (!document) return [{ ...base, operations: remaining(changes) }]
  const whole: Operation[] = [{ operation: 'set', path: '.', data: document as Json }]
  if (first.kind === 'insert') return [{ ...base, kind: 'insert', operations: whole, document }]
  const operations = first.before ? diff(first.before, document) : remaining(changes)
  if (operations.length === 0) return []
  const isUpdate = first.before ? operations[0]?.path !== '.' : changes.every(({ kind }) => kind === 'update')
  return isUpdate
    ? [{ ...base, kind: 'update', operations, document }]
    : [{ ...base, kind: 'replace', operations: whole, document }]
}

/** Returns the document after all changes, if it is known. */
function documentOf(changes: readonly DocumentChange[]): Document | undefined {
  const at = changes.findLastIndex((change) => change.kind === 'delete' || documentAfter(change))
  const change = changes[at]
  const known = change && documentAfter(change)
  return (
    known &&
    applyAll(
      known,
      changes.slice(at + 1).flatMap(({ operations }) => operations),
    )
  )
}

/**
 * Returns the operations of all changes, without those that a later change overwrites. Operations other than
 * plain ones may depend on all before them.
 */
function remaining(changes: readonly DocumentChange[]): Operation[] {
  const isPlain = ({ operation, keys }: Operation) => (operation === 'set' || operation === 'unset') && !keys
  const other = changes.findIndex(({ operations }) => !operations.every(isPlain))
  const plain = other < 0 ? changes : changes.slice(0, other)
  const overwritten = new Set<string>()
  const kept: Operation[][] = []
  for (const { operations } of plain.toReversed()) {
    kept.push(operations.filter(({ path }) => !isBelow(path, overwritten)))
    for (const { path } of operations) overwritten.add(path)
  }
  return [...kept.reverse(), ...changes.slice(plain.length).map(({ operations }) => operations)].flat()
}

/** Checks whether paths include a path or a parent of it. */
function isBelow(path: string, paths: ReadonlySet<string>): boolean {
  if (paths.has(path)) return true
  for (let at = path.indexOf('.'); at > 0; at = path.indexOf('.', at + 1)) {
    if (paths.has(path.slice(0, at))) return true
  }
  return false
}
