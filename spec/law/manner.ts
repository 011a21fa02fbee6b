import type { Document, Id } from '../../lib/model/document.ts'
import { idKey } from '../../lib/model/id.ts'
import { yieldToEventLoop } from '../../lib/server/support/scheduling.ts'
import type { Adapter, Change, Query } from '../../lib/source/source.ts'

/** How a source is, within the contract. */
export interface Manner {
  /** With each change it tells the document after it, or else only what changed, where that doesn't depend on the value before. */
  tells: 'documents' | 'values'
  /** It can be asked for documents, as they are by then. */
  asked: boolean
  /** It reads over a while: some documents are as of the begin, and some as of the end. */
  torn: boolean
}

/** The change as a source tells it that tells only values. */
export function valuesOf(change: Change): Change {
  if (change.kind !== 'update') return change
  const { document, before, ...rest } = change
  const plain = change.operations.every(({ operation }) => operation === 'set' || operation === 'unset')
  return plain ? rest : { ...rest, ...(document ? { document } : {}) }
}

/** Reads twice, and hands out some documents of the one reading and some of the other. */
export function tornReader(inner: Adapter): Adapter['read'] {
  const read = async (collection: string, query: Query) => {
    const documents = new Map<string, Document>()
    const reading = await inner.read(collection, query, (batch) => {
      for (const document of batch) documents.set(idKey(document._id ?? null), document)
    })
    return { documents, reading }
  }
  return async (collection, query, each) => {
    const begin = await read(collection, query)
    await yieldToEventLoop()
    const end = await read(collection, query)
    const keys = [...new Set([...begin.documents.keys(), ...end.documents.keys()])]
    const torn = keys.map((key, index) => (index % 2 === 0 ? begin : end).documents.get(key))
    await each(torn.filter((document) => document !== undefined))
    return { from: begin.reading.from, to: end.reading.to }
  }
}

/** Looks documents up, and says as of when they are, which the adapter may leave out where it tells all documents anyway. */
export async function lookUp(adapter: Adapter, collection: string, ids: readonly Id[]) {
  const answer = (await adapter.lookup?.(collection, ids)) ?? []
  if (!Array.isArray(answer)) return answer
  return { documents: answer, position: await presentOf(adapter, collection) }
}

/** Where a store is now. */
export async function presentOf(adapter: Adapter, collection: string): Promise<string> {
  return (await adapter.read(collection, NOTHING, () => {})).to
}

const NOTHING = { _id: { $in: [] } }
