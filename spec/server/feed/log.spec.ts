import { expect } from 'chai'
import fc from 'fast-check'
import type { Feed } from '../../../lib/server/feed/feed.ts'
import { beginOf, Log } from '../../../lib/server/feed/log.ts'
import type { Change, ReportedChange } from '../../../lib/source/source.ts'

const EVER = { bytes: Number.POSITIVE_INFINITY, ms: Number.POSITIVE_INFINITY }
/** A feed whose positions are numbers. */
const feedOf = (floor = 0, floorPosition: string | undefined = '0') =>
  ({
    floor,
    floorPosition,
    adapter: { compare: (a: string, b: string) => Number(a || 'x') - Number(b) },
  }) as unknown as Feed
const FEED = feedOf()
const entry = (bytes = 10, adapters: readonly string[] = [], feed = FEED) => ({
  feed,
  changes: [],
  point: () => '',
  adapters,
  bytes,
})
const kept = (log: Log) => {
  const sequences: number[] = []
  for (let at = 0; at <= log.head + 1; at++) if (log.at(at)) sequences.push(log.at(at)?.sequence ?? -1)
  return sequences
}
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

describe('server/log', () => {
  it('counts from 1 without gaps', () => {
    const log = new Log(EVER)
    expect(log.head).to.equal(0)
    expect(log.floor).to.equal(0)
    expect(log.at(0)).to.equal(undefined)
    expect(log.at(1)).to.equal(undefined)
    expect(range(1, 3).map(() => log.append(entry(), 0).sequence)).to.deep.equal([1, 2, 3])
    expect(kept(log)).to.deep.equal([1, 2, 3])
    expect(log.head).to.equal(3)
    expect(log.bytes).to.equal(30)
  })

  it('decodes the changes that nobody was shown once somebody asks for their collection, as one transaction', () => {
    let decoded = 0
    const change = (id: number, data: number): Change => ({
      kind: 'update',
      position: String(data),
      timestamp: '',
      collection: 'users',
      transaction: 't',
      id,
      operations: [{ operation: 'set', path: 'a', data }],
    })
    const encoded = (one: Change): ReportedChange => ({
      kind: 'encoded',
      position: one.position,
      timestamp: '',
      collection: one.collection,
      transaction: 't',
      bytes: 10,
      decode: () => {
        decoded++
        return [one]
      },
    })
    const log = new Log(EVER)
    const changes = [encoded(change(1, 1)), encoded(change(1, 2)), encoded(change(2, 3))]
    const added = log.append({ ...entry(), changes, begin: '1' }, 0)
    expect(added.changesOf('teams')).to.deep.equal([])
    expect(added.countOf('users')).to.equal(3)
    expect(beginOf(added)).to.equal('1')
    expect(decoded).to.equal(0)
    expect(added.changesOf('users')).to.deep.equal([change(1, 2), change(2, 3)])
    expect(added.changes).to.equal(added.changesOf('users'))
    expect(decoded).to.equal(3)
  })

  it('keeps the newest up to its bytes', () => {
    const log = new Log({ ...EVER, bytes: 35 })
    for (const _ of range(1, 5)) log.append(entry(), 0)
    expect(kept(log)).to.deep.equal([3, 4, 5])
    expect(log.floor).to.equal(2)
    expect(log.bytes).to.equal(30)
    log.append(entry(36), 0)
    expect(kept(log)).to.deep.equal([])
    expect(log.floor).to.equal(6)
    expect(log.bytes).to.equal(0)
  })

  it('keeps them as long as its milliseconds', () => {
    const log = new Log({ ...EVER, ms: 100 })
    log.append(entry(), 0)
    log.append(entry(), 50)
    log.trim(100)
    expect(kept(log)).to.deep.equal([1, 2])
    log.trim(101)
    expect(kept(log)).to.deep.equal([2])
    log.append(entry(), 151)
    expect(kept(log)).to.deep.equal([3])
  })

  it('keeps all that follow a pin, until the pin is released', () => {
    const log = new Log({ bytes: 0, ms: 0 })
    log.append(entry(), 0)
    const first = log.pin()
    expect(first.sequence).to.equal(1)
    for (const _ of range(2, 4)) log.append(entry(), 1000)
    const second = log.pin()
    log.append(entry(), 2000)
    expect(kept(log)).to.deep.equal([2, 3, 4, 5])
    first.release()
    log.trim(3000)
    expect(kept(log)).to.deep.equal([5])
    first.release()
    second.release()
    log.trim(3000)
    expect(kept(log)).to.deep.equal([])
    expect(log.head).to.equal(5)
  })

  it('keeps what follows an older sequence, as far as it is still there', () => {
    const log = new Log({ bytes: 1e6, ms: 100 })
    log.append(entry(), 0)
    for (const _ of range(2, 4)) log.append(entry(), 100)
    log.trim(101)
    const pin = log.pin(0)
    log.trim(1000)
    expect(kept(log)).to.deep.equal([2, 3, 4])
    pin.release()
    log.trim(1000)
    expect(kept(log)).to.deep.equal([])
  })

  it('forgets all when cleared, and counts on', () => {
    const log = new Log(EVER)
    log.append(entry(), 0)
    log.clear()
    expect(kept(log)).to.deep.equal([])
    expect([log.head, log.floor, log.bytes]).to.deep.equal([1, 1, 0])
    expect(log.append(entry(), 0).sequence).to.equal(2)
    expect(kept(log)).to.deep.equal([2])
  })

  it('reckons what is made of an entry later to its bytes, and lets both go together', () => {
    const log = new Log({ ...EVER, bytes: 100 })
    const first = log.append(entry(), 0)
    const second = log.append(entry(), 0)
    log.account(first, 85)
    expect(log.bytes).to.equal(105)
    log.trim(0)
    expect([kept(log), log.bytes]).to.deep.equal([[2], 10])
    log.account(first, 50)
    log.account(second, 1)
    expect(log.bytes).to.equal(11)
  })

  it('gives the entries of one feed after a sequence', () => {
    const log = new Log(EVER)
    const other = feedOf()
    for (const feed of [FEED, other, FEED, FEED]) log.append(entry(1, [], feed), 0)
    expect([...log.after(1, FEED)].map(({ sequence }) => sequence)).to.deep.equal([3, 4])
    expect([...log.after(0, other)].map(({ sequence }) => sequence)).to.deep.equal([2])
    expect([...log.after(4, FEED)]).to.deep.equal([])
  })

  describe('finds the place of an adapter’s own position', () => {
    /** Two adapters take turns: of entries 1 to 6, the first is at 10, 10, 20, 20, 30, 30, the second at 0, 7, 7, 8, 8, 9. */
    const filled = (bytes = Number.POSITIVE_INFINITY) => {
      const log = new Log({ ...EVER, bytes })
      const places = [
        ['10', '0'],
        ['10', '7'],
        ['20', '7'],
        ['20', '8'],
        ['30', '8'],
        ['30', '9'],
      ]
      for (const adapters of places) log.append(entry(10, adapters), 0)
      return log
    }
    const rows: [string, number, string, number | undefined][] = [
      ['at the first change', 0, '10', 2],
      ['between two', 0, '15', 2],
      ['at the last', 0, '30', 6],
      ['past the last', 0, '99', 6],
      ['before the first', 0, '5', 0],
      ['where the feed began', 0, '0', 0],
      ['before the feed began', 0, '-1', undefined],
      ['of the other one', 1, '7', 3],
      ['of another kind', 0, 'x', undefined],
    ]
    for (const [name, index, position, sequence] of rows) {
      it(name, () => expect(filled().find(FEED, index, position)).to.equal(sequence))
    }

    it('not before what is still kept', () => {
      const log = filled(30)
      expect(log.floor).to.equal(3)
      expect([9, 19, 20, 25, 30].map((at) => log.find(FEED, 0, String(at)))).to.deep.equal([
        undefined,
        undefined,
        4,
        4,
        6,
      ])
    })

    it('not before the feed last lost its history', () => {
      const log = filled()
      const feed = feedOf(4, '20')
      expect(['19', '20', '30'].map((at) => log.find(feed, 0, at))).to.deep.equal([undefined, 4, 6])
      expect(log.find({ ...feedOf(4), floorPosition: undefined } as Feed, 0, '30')).to.equal(undefined)
    })

    it('not between changes that are shown at once', () => {
      const log = new Log(EVER)
      const changes = ['20', '21', '22'].map((position) => ({ position }) as Change)
      log.append(entry(10, ['10']), 0)
      log.append({ ...entry(10, ['22']), changes }, 0)
      expect(['10', '19', '20', '21', '22', '23'].map((at) => log.find(FEED, 0, at))).to.deep.equal([
        1,
        1,
        undefined,
        undefined,
        2,
        2,
      ])
    })

    it('not between those of which nothing came', () => {
      const log = new Log(EVER)
      log.append(entry(10, ['10']), 0)
      log.append({ ...entry(10, ['22']), changes: [], begin: '20' }, 0)
      const found = ['10', '19', '20', '21', '22'].map((at) => log.find(FEED, 0, at))
      expect(found).to.deep.equal([1, 1, undefined, undefined, 2])
    })

    it('also when all was let go', () => {
      const log = filled()
      log.clear()
      expect(['20', '30', '31'].map((at) => log.find(FEED, 0, at))).to.deep.equal([undefined, 6, 6])
    })
  })

  it('always holds one unbroken stretch that ends at its head, over any number of entries', () => {
    const step = fc.oneof(
      { weight: 20, arbitrary: fc.record({ append: fc.integer({ min: 0, max: 400 }) }) },
      fc.record({ pin: fc.constant(true) }),
      fc.record({ release: fc.nat() }),
    )
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 300 }), fc.nat({ max: 30 }), (steps, times) => {
        const log = new Log({ bytes: 2000, ms: 500 })
        const pins: ReturnType<Log['pin']>[] = []
        let now = 0
        for (let time = 0; time <= times; time++) {
          for (const given of steps) {
            now++
            if ('append' in given) log.append(entry(given.append), now)
            else if ('pin' in given) pins.push(log.pin())
            else pins.splice(given.release % (pins.length + 1), 1)[0]?.release()
          }
          expect(log.at(log.floor)).to.equal(undefined)
          expect(log.at(log.head + 1)).to.equal(undefined)
          let bytes = 0
          for (let at = log.floor + 1; at <= log.head; at++) {
            expect(log.at(at)?.sequence).to.equal(at)
            bytes += log.at(at)?.bytes ?? 0
          }
          expect(log.bytes).to.equal(bytes)
          for (const { sequence } of pins) expect(log.floor).to.be.at.most(sequence)
          if (pins.length === 0) expect(log.bytes).to.be.at.most(2000)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('lets go of what is over its bounds at once', async function () {
    const { collect } = await import('../../support/garbage.ts')
    if (!collect) this.skip()
    const log = new Log({ ...EVER, bytes: 10 })
    const held = range(1, 20).map(() => new WeakRef(log.append(entry(), 0)))
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    expect(held.filter((reference) => reference.deref()).length).to.equal(1)
  })
})
