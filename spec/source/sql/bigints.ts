import { expect } from 'chai'
import type { Document } from '../../../lib/model/document.ts'
import type { Query } from '../../../lib/source/source.ts'
import { idsOf } from './documents.ts'

/** Expects each query by a BigInt of the column `big` to find the document with its JSON form. */
export async function expectBigInts(
  all: readonly Document[],
  find: (query: Query) => Promise<readonly Document[]>,
): Promise<void> {
  for (const [given, json] of [
    [1n, 1],
    [9007199254740993n, '9007199254740993'],
  ] as const) {
    const expected = idsOf(all.filter(({ big }) => big === json)).sort()
    expect(expected).to.have.length(1)
    for (const big of [given, { $eq: given }, { $in: [given, 7n] }, { $gte: given, $lte: given }])
      expect(idsOf(await find({ big })).sort()).to.deep.equal(expected)
  }
}
