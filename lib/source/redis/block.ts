import { idKey } from '../../model/id.ts'
import type { Change, DocumentChange } from '../source.ts'
import type { Translation } from './entry.ts'
import { compareStreamIds } from './position.ts'

/** What became of a key's reading. */
export interface KeyReading {
  /** As of which entry it was read. */
  at: string
  /** It was read for an entry before these. */
  earlier: boolean
}

/** What becomes of a change. */
export interface Place {
  /** It must be shown at once with the one before or after it that is blocked, too. */
  blocked: boolean
  /** The document is told as it was read; else what the change says of it was so. */
  asRead: boolean
}

/**
 * Which of these changes must be shown at once, and which tell what was read. A document that was read for an
 * entry, and changed again before it was read, is told in a state that nobody had beside what was before its
 * last change by then: a block goes from the one to the other, and splits no transaction. Pure.
 */
export function blocksOf(
  translations: readonly Translation[],
  readingOf: (change: DocumentChange) => KeyReading | undefined,
): readonly Place[] {
  const read = new Map<string, { from: number; at: string; collection: string }>()
  const blocked = translations.map(() => false)
  const asRead = translations.map(() => false)
  const block = (from: number, to: number) => {
    if (from < to) blocked.fill(true, from, to + 1)
  }
  for (const [index, { change, key }] of translations.entries()) {
    if (!('id' in change)) {
      for (const { from, at, collection } of read.values())
        if (collection === change.collection && compareStreamIds(change.position, at) <= 0) block(from, index)
      continue
    }
    const reading = readingOf(change)
    if (!reading || compareStreamIds(change.position, reading.at) > 0) continue
    const { collection, id } = change
    const name = `${collection} ${idKey(id)}`
    const from = read.get(name)?.from ?? (reading.earlier ? -1 : index)
    if (from === index && key === undefined) continue
    read.set(name, { from, at: reading.at, collection })
    asRead[index] = true
    block(Math.max(from, 0), index)
    if (from < 0) blocked[index] = true
  }
  const isSame = (a: number, b: number) => {
    const transaction = translations[a]?.change.transaction
    return transaction !== undefined && transaction === translations[b]?.change.transaction
  }
  for (let index = 1; index < blocked.length; index++)
    if (blocked[index - 1] && isSame(index - 1, index)) blocked[index] = true
  for (let index = blocked.length - 1; index > 0; index--)
    if (blocked[index] && isSame(index - 1, index)) blocked[index - 1] = true
  return blocked.map((isBlocked, index) => ({ blocked: isBlocked, asRead: asRead[index] === true }))
}

/**
 * A change that is told with others at once. Whoever was told one after the other, on another node, may hold
 * what came in between: nothing is said of before.
 */
export function loosened(change: Change, transaction: string): Change {
  if (!('id' in change)) return { ...change, transaction }
  const { before: _, ...rest } = change
  return { ...rest, transaction, kind: rest.kind === 'insert' ? 'replace' : rest.kind }
}
