import { expect } from 'chai'
import { Batch, type Target } from '../../../lib/server/feed/batch.ts'
import { Frame } from '../../../lib/server/feed/frame.ts'
import type { Entry } from '../../../lib/server/feed/log.ts'

const TIME = '2026-01-01T00:00:00.000Z'

const entry = (sequence: number, bytes = 100) => ({ sequence, bytes }) as Entry

/** As much of a view as a batch knows of: it shows an operation of each entry, or is reset by it. */
class Shower implements Target {
  readonly #root: string
  readonly #resets: number[]
  readonly #log: string[]

  constructor(root: string, log: string[], resets: number[] = []) {
    this.#root = root
    this.#log = log
    this.#resets = resets
  }

  deliver({ sequence }: Entry, { oplist }: Frame): void {
    this.#log.push(`${this.#root}: ${oplist.map(({ data }) => data)} @${sequence}`)
  }

  take({ sequence }: Entry, batch: Batch): void {
    if (this.#resets.includes(sequence)) batch.after(() => this.#log.push(`${this.#root} is reset`))
    else {
      const oplist = [{ operation: 'set' as const, id: 1, path: 'n', data: sequence }]
      batch.add(this, new Frame(this.#root, TIME, oplist))
    }
  }
}

describe('server/batch', () => {
  const setUp = (resets: number[] = []) => {
    const log: string[] = []
    const [a, b] = [new Shower('a', log, resets), new Shower('b', log)]
    return { log, a, b, batch: new Batch() }
  }

  it('tells of all entries by one event for each view, as of the last entry', () => {
    const { log, a, b, batch } = setUp()
    batch.show(entry(1), [a, b])
    batch.show(entry(2), [b])
    batch.show(entry(3), [a])
    batch.show(entry(4), [])
    expect(log).to.deep.equal([])
    batch.deliver()
    expect(log).to.deep.equal(['a: 1,3 @4', 'b: 1,2 @4'])
    batch.deliver()
    expect(log).to.have.length(2)
  })

  it('tells of what was shown up to an entry before that resets a view', () => {
    const { log, a, b, batch } = setUp([2])
    batch.show(entry(1), [a, b])
    batch.show(entry(2), [a, b])
    expect(log).to.deep.equal(['a: 1 @2', 'b: 1,2 @2', 'a is reset'])
    batch.show(entry(3), [b])
    batch.deliver()
    expect(log.slice(3)).to.deep.equal(['b: 3 @3'])
  })

  it('is cut where its changes take more than 8 MiB, between two entries', () => {
    const { log, a, batch } = setUp()
    for (let sequence = 1; sequence <= 5; sequence++) batch.show(entry(sequence, 3 * 1024 * 1024), [a])
    batch.deliver()
    expect(log).to.deep.equal(['a: 1,2,3 @3', 'a: 4,5 @5'])
  })

  it('hands a single frame on as it is, so that it is encoded once for all', () => {
    const { batch } = setUp()
    const frames: Frame[] = []
    const view: Target = {
      deliver: (_entry, frame) => frames.push(frame),
      take: () => batch.add(view, frame),
    }
    const frame = new Frame('a', TIME, [{ operation: 'set', id: 1, path: 'n', data: 1 }])
    batch.show(entry(1), [view])
    batch.deliver()
    expect(frames).to.have.length(1)
    expect(frames[0]).to.equal(frame)
  })
})
