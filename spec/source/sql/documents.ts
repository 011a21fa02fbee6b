import type { Document } from '../../../lib/model/document.ts'
import { idKey } from '../../../lib/model/id.ts'
import { Order, type SortKey } from '../../../lib/policy/order.ts'

/** Returns the ids of documents, in their order, as texts that differ where the ids do. */
export function idsOf(documents: readonly Document[]): string[] {
  return documents.map(({ _id }) => idKey(_id ?? null))
}

/** Returns documents in an order, as Particle sorts them. */
export function sorted(documents: readonly Document[], sort: SortKey[]): Document[] {
  const order = new Order(sort)
  return documents
    .map((document) => ({ document, values: order.valuesOf(document) }))
    .sort((a, b) => order.compare(a.values, b.values))
    .map(({ document }) => document)
}
