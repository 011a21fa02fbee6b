import { expect } from 'chai'
import { CurrentSnapshots } from '../../../lib/server/delivery/present.ts'
import { SnapshotReadings } from '../../../lib/server/delivery/snapshot-readings.ts'
import { yieldToEventLoop } from '../../../lib/server/support/scheduling.ts'
import type { View } from '../../../lib/server/view/view.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { feedOf, viewOf } from '../../support/feed.ts'
import { buffersHeld } from '../../support/garbage.ts'
import { until } from '../../support/local.ts'

const COUNT = 200
const TEXT = 'x'.repeat(10_000)
/** What a snapshot takes, in bytes. */
const SIZE = COUNT * TEXT.length

/** Reads when the spec lets it. */
class Reader {
  /** The parts that it was sent since it last began. */
  parts = 0
  begins = 0
  left = false
  /** What it came to: the sequence; undefined where it was left. */
  end: { sequence: number | undefined } | undefined
  #take = () => {}

  constructor(readings: SnapshotReadings, view: View) {
    const push = async (part: Buffer) => {
      if (part.includes('"part":0,')) {
        this.parts = 0
        this.begins++
      }
      this.parts++
      await new Promise<void>((resolve) => {
        this.#take = resolve
      })
    }
    void readings
      .send(view, () => !this.left, push)
      .then((sequence) => {
        this.end = { sequence }
      })
  }

  /** Takes what waits for it. */
  take(): void {
    this.#take()
  }

  leave(): void {
    this.left = true
    this.#take()
  }
}

describe('server/snapshot-readings', () => {
  const setUp = async ({ maxBytes = 65_536, bytes = 1e9 } = {}) => {
    const store = memory()
    const users = store.collection('users')
    await users.insertMany(Array.from({ length: COUNT }, (_, _id) => ({ _id, text: TEXT })))
    const place = feedOf(store, { bytes })
    const view = viewOf(place)
    const { log } = place
    const readings = new SnapshotReadings(new CurrentSnapshots(log), maxBytes)
    let n = 0
    const changeAll = () => users.updateMany({}, { $set: { n: ++n } })
    const changeOne = () => users.updateOne({ _id: n++ % COUNT }, { $set: { n } })
    /** A reader that has the first part under way. */
    const come = async () => {
      const reader = new Reader(readings, view)
      await until(() => reader.parts > 0)
      return reader
    }
    /** A reader that takes all at once. */
    const comeAndGo = async () => {
      const reader = await come()
      while (!reader.end) {
        reader.take()
        await yieldToEventLoop()
      }
      return reader
    }
    return { log, readings, changeAll, changeOne, come, comeAndGo }
  }

  it('keep the present snapshot and one more, however many slow readers came, each at another moment', async () => {
    const { changeAll, come, readings } = await setUp()
    const before = buffersHeld()
    const readers: Reader[] = []
    for (let i = 0; i < 8; i++) {
      readers.push(await come())
      await changeAll()
    }
    const held = buffersHeld() - before
    expect(held / SIZE).to.be.within(1.5, 2.6)
    for (const reader of readers) reader.leave()
    await until(() => readers.every(({ end }) => end))
    readings.sweep()
  })

  it('count nothing for those who read the present one', async () => {
    const { come } = await setUp()
    const first = await come()
    const before = buffersHeld()
    const others = await Promise.all(Array.from({ length: 20 }, come))
    expect(buffersHeld() - before).to.be.below(SIZE / 10)
    for (const each of [first, ...others]) {
      while (!each.end) {
        each.take()
        await yieldToEventLoop()
      }
      expect([each.begins, each.end.sequence]).to.deep.equal([1, COUNT])
    }
  })

  it('bring a slow reader to the end in one go while documents change and others come, part by part', async () => {
    const { changeAll, come, comeAndGo } = await setUp()
    const slow = await come()
    for (let turn = 0; !slow.end; turn++) {
      await changeAll()
      const other = await comeAndGo()
      expect(other.end?.sequence).to.equal(COUNT * (turn + 2))
      slow.take()
      await yieldToEventLoop()
    }
    expect([slow.begins, slow.end.sequence]).to.deep.equal([1, COUNT])
  })

  it('let every slow reader go on where documents change one by one: they share what did not change', async () => {
    const { changeOne, come, comeAndGo } = await setUp({ maxBytes: 8 * 65_536 })
    const slow: Reader[] = []
    for (let i = 0; i < 5; i++) {
      slow.push(await come())
      await changeOne()
      await comeAndGo()
    }
    while (slow.some(({ end }) => !end)) {
      for (const each of slow) each.take()
      await yieldToEventLoop()
    }
    expect(slow.map(({ begins, end }) => [begins, end?.sequence])).to.deep.equal(
      slow.map((_, changes) => [1, COUNT + changes]),
    )
  })

  it('bring an honest slow reader to the end beside one that takes nothing, once the log has left that behind', async () => {
    const { log, readings, changeAll, come, comeAndGo } = await setUp({ bytes: 8 * SIZE })
    const hostile = await come()
    await changeAll()
    const honest = await come()
    let turns = 0
    for (; !honest.end && turns < 2_000; turns++) {
      if (turns % 10 === 0) {
        await changeAll()
        await comeAndGo()
        readings.sweep()
      }
      honest.take()
      await yieldToEventLoop()
    }
    expect([hostile.end, honest.begins, turns < 2_000]).to.deep.equal([undefined, 2, true])
    expect(honest.end?.sequence).to.be.above(log.floor)
    hostile.leave()
  })

  it('give all memory back when slow readers leave, in whatever order', async () => {
    const { changeAll, come, readings } = await setUp({ bytes: 1 })
    const before = buffersHeld()
    for (let round = 0; round < 5; round++) {
      const readers: Reader[] = []
      for (let i = 0; i < 4; i++) {
        readers.push(await come())
        await changeAll()
        for (let turn = 0; turn < i; turn++) for (const each of readers) each.take()
      }
      for (const index of [2, 0, 3, 1].map((each) => (each + round) % 4)) readers[index]?.leave()
      await until(() => readers.every(({ end }) => end))
    }
    readings.sweep()
    // The view itself may have its present snapshot at hand.
    expect(buffersHeld() - before).to.be.below(SIZE * 1.2)
  })
})
