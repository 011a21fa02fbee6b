import { expect } from 'chai'
import { Timestamp } from 'mongodb'
import type { StreamEvent } from '../../../lib/source/mongo/raw-event.ts'
import { EventStream, type EventStreamOptions } from '../../../lib/source/mongo/stream.ts'
import { until } from '../../support/local.ts'
import { eventAt, LATER, RESUMED, ScriptedDriver, START, type Step, serverError } from './scripted.ts'

/** What a stream told, as text: the tokens of the events that came at once, `quiet`, `lost`, `error <message>`. */
class Notes {
  readonly list: string[] = []
  fail: Error[] = []
  lost = [new Timestamp({ t: 2000, i: 1 }), new Timestamp({ t: 3000, i: 1 })]

  events(events: readonly StreamEvent[]) {
    const failure = this.fail.shift()
    if (failure) throw failure
    this.list.push(events.map(({ _id }) => (_id as { _data: string })._data).join(' '))
  }

  quiet() {
    this.list.push('quiet')
  }

  async onLost(reason: string) {
    this.list.push(`lost ${reason}`)
    const now = this.lost.shift()
    if (!now) throw new Error('no server')
    return { begin: { startAtOperationTime: now }, time: { t: now.getHighBits(), i: 1 } }
  }

  error(error: unknown) {
    this.list.push(`error ${(error as Error).message}`)
  }
}

const SPLIT = { $changeStreamSplitLargeEvent: {} }
const times = (count: number, make: (n: number) => Step[]) => Array.from({ length: count }, (_, n) => make(n))
const realTimeout = globalThis.setTimeout

describe('EventStream', () => {
  let notes: Notes
  let pauses: number[]
  let stream: EventStream | undefined

  beforeEach(() => {
    notes = new Notes()
    pauses = []
    // Pauses are noted and take no time.
    const fake = (callback: () => void, milliseconds = 0) => {
      if (milliseconds >= 500) pauses.push(milliseconds)
      return realTimeout(callback, milliseconds >= 500 ? 0 : milliseconds)
    }
    globalThis.setTimeout = fake as typeof setTimeout
  })

  afterEach(async () => {
    globalThis.setTimeout = realTimeout
    await stream?.close()
    stream = undefined
  })

  function follow(driver: ScriptedDriver, options: Partial<EventStreamOptions> = {}) {
    stream = new EventStream(
      { ...driver.options, ...options },
      {
        events: (events) => notes.events(events),
        quiet: () => notes.quiet(),
        lost: (reason) => notes.onLost(reason),
        error: (error) => notes.error(error),
      },
    )
    return stream
  }

  const noted = (count: number) => until(() => notes.list.length >= count, `${count} notes`, 2000)
  const transaction = (count: number, from = 0) =>
    Array.from({ length: count }, (_, n) => eventAt(500, from + n, { txnNumber: 1 }))

  describe('(what belongs together)', () => {
    it('tells a transaction at once though the server cut it, and what came before it without delay', async () => {
      const single = Array.from({ length: 98 }, (_, at) => eventAt(at))
      const steps: Step[] = [...single, ...transaction(3), LATER, ...transaction(2, 3), eventAt(501)]
      follow(new ScriptedDriver(steps))
      await noted(2)
      expect(notes.list[0]?.split(' ')).to.have.lengthOf(98)
      expect(notes.list.slice(1)).to.deep.equal(['500-0 500-1 500-2 500-3 500-4 501-0'])
    })

    it('tells a cut transaction when the next answer is empty', async () => {
      follow(new ScriptedDriver([...transaction(101), null]))
      await noted(2)
      expect(notes.list[0]?.split(' ')).to.have.lengthOf(101)
      expect(notes.list[1]).to.equal('quiet')
    })

    it('tells a transaction that was not cut before the next answer is there', async () => {
      // The script ends here: no answer follows.
      follow(new ScriptedDriver([eventAt(1), ...transaction(3)]))
      await noted(1)
      expect(notes.list).to.deep.equal(['1-0 500-0 500-1 500-2'])
    })

    it('waits for the other shards of a transaction', async () => {
      const steps: Step[] = [eventAt(1), ...transaction(1), LATER, ...transaction(1, 1), null]
      follow(new ScriptedDriver(steps), { sharded: true })
      await noted(3)
      expect(notes.list).to.deep.equal(['1-0', '500-0 500-1', 'quiet'])
    })

    it('gets a transaction again, whole, that was held back when the stream broke off', async () => {
      const driver = new ScriptedDriver(
        [eventAt(1), ...transaction(101), LATER, serverError(1)],
        [...transaction(101), ...transaction(1, 101), eventAt(501)],
      )
      follow(driver)
      await noted(3)
      expect(notes.list.slice(0, 2)).to.deep.equal(['1-0', 'error code 1'])
      expect(notes.list[2]?.split(' ')).to.have.lengthOf(103)
      expect(driver.openings[1]?.resumeAfter).to.deep.equal({ _data: '1-0' })
    })
  })

  describe('(events over 16 MB)', () => {
    const part = (n: number, of: number, fields = {}) =>
      ({ _id: { _data: `2-0-${n}` }, splitEvent: { fragment: n, of }, ...fields }) as never
    const [first, second] = [part(1, 2, { operationType: 'update' }), part(2, 2, { updateDescription: {} })]

    it('asks the server to split them, after all other stages, and tells them whole', async () => {
      const driver = new ScriptedDriver([eventAt(1), first, LATER, second, eventAt(3)])
      const match = { $match: { 'ns.coll': 'users' } }
      follow(driver, { pipeline: [match] })
      await noted(2)
      expect(notes.list).to.deep.equal(['1-0', '2-0-2 3-0'])
      expect(driver.openings[0]?.pipeline).to.deep.equal([match, SPLIT])
    })

    it('lets a stage of the pipeline do so', async () => {
      const driver = new ScriptedDriver([eventAt(1)])
      follow(driver, { pipeline: [SPLIT] })
      await noted(1)
      expect(driver.openings[0]?.pipeline).to.deep.equal([SPLIT])
    })

    it('comes back to the last whole event where the stream breaks off between two fragments', async () => {
      const driver = new ScriptedDriver(
        [eventAt(1), first, LATER, serverError(1)],
        [first, LATER, null, second, LATER, null, null],
      )
      follow(driver)
      await noted(4)
      expect(notes.list.slice(0, 3)).to.deep.equal(['1-0', 'error code 1', '2-0-2'])
      expect(driver.openings[1]?.resumeAfter).to.deep.equal({ _data: '1-0' })
    })

    it('does so too where the driver went on by itself and left a fragment out', async () => {
      const driver = new ScriptedDriver([eventAt(1), first, RESUMED, eventAt(3)], [first, second, eventAt(3)])
      follow(driver)
      await noted(3)
      expect(notes.list[1]).to.include('error Fragment 2')
      expect(notes.list[2]).to.equal('2-0-2 3-0')
      expect(driver.openings[1]?.resumeAfter).to.deep.equal({ _data: '1-0' })
    })

    for (const error of [
      serverError(40324, "Unrecognized pipeline stage name: '$changeStreamSplitLargeEvent'"),
      serverError(323, 'not in API Version 1'),
      serverError(304, "Aggregation stage not supported: '$changeStreamSplitLargeEvent'"),
    ]) {
      it(`goes on without where the server knows no such stage (${'code' in error && error.code})`, async () => {
        const driver = new ScriptedDriver([error], [eventAt(1), LATER, serverError(1)], [eventAt(2)])
        follow(driver)
        await noted(3)
        expect(notes.list).to.deep.equal(['1-0', 'error code 1', '2-0'])
        expect(driver.openings.map(({ pipeline }) => pipeline)).to.deep.equal([[SPLIT], [], []])
      })
    }

    it('reports an unknown stage of the pipeline itself', async () => {
      const unknown = serverError(40324, "Unrecognized pipeline stage name: '$bogus'")
      follow(new ScriptedDriver([unknown], [unknown]), { pipeline: [{ $bogus: {} }] })
      await noted(1)
      expect(notes.list).to.deep.equal([`error ${unknown.message}`])
    })

    it('takes one that can’t be split for lost history', async () => {
      const driver = new ScriptedDriver([serverError(10334)], [eventAt(1)])
      follow(driver)
      await noted(2)
      expect(notes.list).to.deep.equal(['lost error 10334', '1-0'])
    })
  })

  describe('(failures)', () => {
    it('pauses 0.5 s to 30 s where it fails again and again, and tells each time', async () => {
      const driver = new ScriptedDriver(...times(10, (n) => [serverError(n)]))
      follow(driver)
      await noted(10)
      await until(() => pauses.length >= 10)
      expect(notes.list).to.deep.equal(Array.from({ length: 10 }, (_, n) => `error code ${n}`))
      expect(pauses).to.deep.equal([500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000, 30000])
    })

    it('does so too where each stream is accepted and then fails', async () => {
      const driver = new ScriptedDriver(...times(4, () => [LATER, serverError(1)]))
      follow(driver)
      await until(() => pauses.length >= 4)
      expect(pauses).to.deep.equal([500, 1000, 2000, 4000])
    })

    it('does so too where the events can’t be told', async () => {
      notes.fail = Array.from({ length: 4 }, () => new Error('no look-up'))
      const driver = new ScriptedDriver(...times(5, () => [eventAt(1), LATER, eventAt(2)]))
      follow(driver)
      await noted(5)
      expect(pauses).to.deep.equal([500, 1000, 2000, 4000])
      expect(notes.list[4]).to.equal('1-0')
      expect(driver.openings.at(-1)?.startAtOperationTime).to.equal(START)
    })

    it('does so too where the driver goes on by itself without getting any further', async () => {
      const driver = new ScriptedDriver(...times(3, () => [LATER, RESUMED, RESUMED, RESUMED]))
      follow(driver)
      await until(() => pauses.length >= 3)
      expect(pauses).to.deep.equal([500, 1000, 2000])
      expect(notes.list).to.include(
        'error The change stream breaks off again and again: see the log of the MongoDB server',
      )
    })

    it('lets the driver go on by itself as long as it gets further', async () => {
      const steps = times(20, () => [RESUMED, null]).flat()
      follow(new ScriptedDriver([null, ...steps]))
      await noted(21)
      expect(new Set(notes.list)).to.deep.equal(new Set(['quiet']))
    })

    it('begins with 0.5 s again once it got further', async () => {
      const failing = [serverError(1)]
      const driver = new ScriptedDriver(
        failing,
        failing,
        failing,
        [eventAt(1), LATER, serverError(2)],
        [null, null, serverError(3)],
        failing,
      )
      follow(driver)
      await until(() => pauses.length >= 6)
      expect(pauses).to.deep.equal([500, 1000, 2000, 500, 500, 1000])
    })

    it('opens at once where the history is lost, but pauses where it is lost again and again', async () => {
      notes.lost = Array.from({ length: 9 }, (_, n) => new Timestamp({ t: 2000 + n, i: 1 }))
      const driver = new ScriptedDriver(...times(9, () => [serverError(286)]), [eventAt(1)])
      follow(driver)
      await noted(10)
      expect(notes.list).to.deep.equal([...Array.from({ length: 9 }, () => 'lost error 286'), '1-0'])
      expect(pauses).to.deep.equal([1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000])
      const starts = driver.openings.map(({ startAtOperationTime }) => startAtOperationTime?.getHighBits())
      expect(starts).to.deep.equal([1000, 2000, 2001, 2002, 2003, 2004, 2005, 2006, 2007, 2008])
    })

    it('asks again where to go on where there is no answer to that', async () => {
      notes.lost = []
      const driver = new ScriptedDriver([serverError(286)], [serverError(286)], [eventAt(1)])
      follow(driver)
      await noted(5)
      expect(notes.list).to.deep.equal([
        'lost error 286',
        'error no server',
        'lost error 286',
        'error no server',
        '1-0',
      ])
      expect(driver.openings.at(-1)?.startAtOperationTime).to.equal(START)
    })

    it('goes on after an invalidate, and can be closed at any time with nothing left open', async () => {
      const invalidate = eventAt(2, 0, { operationType: 'invalidate' })
      const driver = new ScriptedDriver([eventAt(1), invalidate], [eventAt(3)])
      const following = follow(driver)
      await noted(2)
      expect(notes.list).to.deep.equal(['1-0 2-0', '3-0'])
      expect(driver.openings[1]?.startAfter).to.deep.equal({ _data: '2-0' })
      await following.close()
      await following.close()
      expect(driver.open).to.equal(0)
    })

    it('can be closed in a pause', async () => {
      globalThis.setTimeout = realTimeout
      const driver = new ScriptedDriver([serverError(1)])
      const following = follow(driver)
      await noted(1)
      const start = Date.now()
      await following.close()
      expect(Date.now() - start).to.be.lessThan(300)
      expect(driver.open).to.equal(0)
    })
  })
})
