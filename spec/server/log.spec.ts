import { expect } from 'chai'
import fc from 'fast-check'
import { Log } from '../../lib/server/log.ts'

const EVER = { bytes: Number.POSITIVE_INFINITY, ms: Number.POSITIVE_INFINITY }
const entry = (bytes = 10) => ({ feed: undefined, changes: [], id: '', bytes })
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

  it('forgets all when cleared, and counts on', () => {
    const log = new Log(EVER)
    log.append(entry(), 0)
    log.clear()
    expect(kept(log)).to.deep.equal([])
    expect([log.head, log.floor, log.bytes]).to.deep.equal([1, 1, 0])
    expect(log.append(entry(), 0).sequence).to.equal(2)
    expect(kept(log)).to.deep.equal([2])
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
    const { collect } = await import('../support/garbage.ts')
    if (!collect) this.skip()
    const log = new Log({ ...EVER, bytes: 10 })
    const held = range(1, 20).map(() => new WeakRef(log.append({ ...entry(), id: 'x'.repeat(10) }, 0)))
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    expect(held.filter((reference) => reference.deref()).length).to.equal(1)
  })
})
