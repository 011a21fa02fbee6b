import { idKey } from '../../model/id.ts'
import type { Change, DocumentChange } from '../source.ts'
import type { Translation } from './entry.ts'
import { compareStreamIds } from './position.ts'

/** Describes a read of a key. */
export interface KeyReading {
  /** The newest entry at the time of the read. */
  at: string
  /** Marks a read for an entry before these. */
  earlier: boolean
}

/** Says how to report a change. */
export interface Place {
  /** Requires one report together with the neighbouring blocked change. */
  blocked: boolean
  /** Reports the document as read. Otherwise the change itself describes the document. */
  asRead: boolean
}

/**
 * Finds the changes that must be reported at once, and those that report a document as read. A document may
 * change again between its entry and its read. The read state then never existed together with the state of
 * other documents before the last of these changes: a block extends from the entry to that change, and
 * includes whole transactions. Pure.
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
 * Adds a change to a block. A client of another node, which got the changes one by one, may have a state in
 * between, so that the change loses its `before`.
 */
export function loosened(change: Change, transaction: string): Change {
  if (!('id' in change)) return { ...change, transaction }
  const { before: _, ...rest } = change
  return { ...rest, transaction, kind: rest.kind === 'insert' ? 'replace' : rest.kind }
}
