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

/**
 * Which of these changes must be shown at once. A document that was read for an entry, and changed again before it was read, is told in a state that nobody
 * had beside what was before its last change by then: a block goes from the one to the other, and splits no transaction. Pure.
 */
export function blocksOf(
  translations: readonly Translation[],
  readingOf: (change: DocumentChange) => KeyReading | undefined,
): readonly boolean[] {
  const firsts = new Map<string, number>()
  const blocked = translations.map(() => false)
  for (const [index, { change, key }] of translations.entries()) {
    const reading = 'id' in change ? readingOf(change) : undefined
    if (!reading || !('id' in change) || compareStreamIds(change.position, reading.at) > 0) continue
    const name = JSON.stringify([change.collection, change.id])
    const first = firsts.get(name) ?? (reading.earlier ? 0 : key === undefined ? undefined : index)
    if (first === undefined) continue
    firsts.set(name, first)
    if (first < index || reading.earlier) blocked.fill(true, first, index + 1)
  }
  const isSame = (a: number, b: number) => {
    const transaction = translations[a]?.change.transaction
    return transaction !== undefined && transaction === translations[b]?.change.transaction
  }
  for (let index = 1; index < blocked.length; index++)
    if (blocked[index - 1] && isSame(index - 1, index)) blocked[index] = true
  for (let index = blocked.length - 1; index > 0; index--)
    if (blocked[index] && isSame(index - 1, index)) blocked[index - 1] = true
  return blocked
}

/** A change that is told with others at once. Whoever was told one after the other, on another node, may hold what came in between: nothing is said of before. */
export function loosened(change: Change, transaction: string): Change {
  if (!('id' in change)) return { ...change, transaction }
  const { before: _, ...rest } = change
  return { ...rest, transaction, kind: rest.kind === 'insert' ? 'replace' : rest.kind }
}
