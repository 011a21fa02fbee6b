import { expect } from 'chai'
import fc from 'fast-check'
import { CollectionEntries } from '../../../lib/server/feed/collection-entries.ts'
import type { Feed } from '../../../lib/server/feed/feed.ts'
import { Log } from '../../../lib/server/feed/log.ts'
import type { ReportedChange } from '../../../lib/source/source.ts'

const feed = { floor: 0 } as unknown as Feed
const other = { floor: 3 } as unknown as Feed
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ feed: fc.constantFrom(feed, other), changed: fc.subarray(['users', 'links']) }),
  },
  { weight: 3, arbitrary: fc.record({ ask: fc.nat(40), feed: fc.constantFrom(feed, other) }) },
  { weight: 1, arbitrary: fc.record({ sweep: fc.constant(true) }) },
)

describe('server/collection-entries', () => {
  it('finds the entries that change a collection, however far back it is asked', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const log = new Log({ bytes: 200, ms: Number.POSITIVE_INFINITY })
        const entries = new CollectionEntries(log)
        for (const each of steps) {
          if ('sweep' in each) entries.sweep()
          else if ('ask' in each) {
            const sequence = Math.min(each.ask, log.head)
            const isKnown = sequence >= log.floor && sequence >= each.feed.floor
            const expected = [...log.after(sequence, each.feed)].filter((entry) => entry.countOf('links') > 0)
            expect(entries.after(sequence, each.feed, 'links')).to.deep.equal(isKnown ? expected : undefined)
          } else {
            const changes = each.changed.map((collection) => ({ collection }) as ReportedChange)
            log.append({ feed: each.feed, changes, point: () => '', adapters: [], bytes: 10 }, 0)
          }
        }
      }),
    )
  })
})
