import { expect } from 'chai'
import fc from 'fast-check'
import type { Document } from '../../../lib/model/document.ts'
import { Order } from '../../../lib/policy/order.ts'
import { First } from '../../../lib/source/redis/first.ts'

describe('source/redis/first', () => {
  const order = new Order([['n', -1]])
  const limit = 5
  const document = fc.record({ _id: fc.integer({ min: 0, max: 30 }), n: fc.integer({ min: 0, max: 12 }) })
  const ahead = (a: Document, b: Document) => order.compare(order.valuesOf(a), order.valuesOf(b)) < 0

  it('misses none that stays as it is and comes before the last that it gives, whatever changes while it looks', () => {
    fc.assert(
      fc.property(fc.array(document, { maxLength: 80 }), fc.integer({ min: 0, max: 15 }), (come, still) => {
        const first = new First({ sort: order.keys, limit })
        // Those of the first ids never change, however often they come; the others are another document each time.
        const held = come.map((one) => (one._id <= still ? { ...one, n: (one._id * 7) % 13 } : one))
        for (const one of held) first.put(one)
        const { documents } = first
        expect(documents.length).to.equal(Math.min(limit, new Set(held.map(({ _id }) => _id)).size))
        const ids = documents.map(({ _id }) => _id)
        expect(new Set(ids).size).to.equal(ids.length)
        const last = documents.at(-1)
        for (const one of held.filter(({ _id }) => _id <= still))
          if (last && ahead(one, last)) expect(ids).to.include(one._id)
        for (const [index, one] of documents.entries())
          if (index > 0) expect(ahead(documents[index - 1] as Document, one)).to.equal(true)
      }),
      { numRuns: 500 },
    )
  })

  it('has a bound as soon as it is full, which only comes nearer', () => {
    fc.assert(
      fc.property(fc.array(document, { maxLength: 60 }), (come) => {
        const first = new First({ sort: order.keys, limit })
        let bound = Number.NEGATIVE_INFINITY
        for (const one of come) {
          first.put(one)
          expect(first.bound === undefined).to.equal(first.documents.length < limit)
          const { value = bound } = first.bound ?? {}
          expect(value).to.be.at.least(bound)
          bound = Number(value)
        }
      }),
    )
  })
})
