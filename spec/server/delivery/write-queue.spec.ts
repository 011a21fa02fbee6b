import { expect } from 'chai'
import fc from 'fast-check'
import { Flusher } from '../../../lib/server/delivery/flusher.ts'
import type { Sink } from '../../../lib/server/delivery/sink.ts'
import { WriteQueue } from '../../../lib/server/delivery/write-queue.ts'
import { yieldToEventLoop } from '../../../lib/server/support/scheduling.ts'

/** A sink whose reader takes what was written when the spec says so. */
class SlowSink implements Sink {
  readonly written: string[] = []
  held = 0
  ended = 0
  readonly #listeners: (() => void)[] = []

  write(bytes: Buffer): boolean {
    this.written.push(bytes.toString())
    return this.held <= LOTS
  }
  buffered(): number {
    return this.held
  }
  onDrain(listener: () => void): void {
    this.#listeners.push(listener)
  }
  end(): void {
    this.ended++
  }
  drain(): void {
    this.held = 0
    for (const listener of this.#listeners.splice(0)) listener()
  }
}

const bytes = (text: string) => Buffer.from(text)
const LOTS = 64 * 1024

describe('server/queue', () => {
  const setUp = () => {
    const sink = new SlowSink()
    return { sink, queue: new WriteQueue(sink, new Flusher()) }
  }

  it('shows its bytes to those who tap it, and drops, drains and ends as without them', () => {
    const { sink, queue } = setUp()
    const [one, two]: string[][] = [[], []]
    queue.writeNow(bytes('a'), undefined)
    const stops = [one, two].map((list) => queue.tap((chunk) => void list?.push(chunk.toString())))
    queue.push(bytes('b'))
    queue.flush()
    queue.writeNow(bytes('c'), undefined)
    stops[0]?.()
    stops[0]?.()
    queue.writeNow(bytes('d'), undefined)
    sink.held = 5
    expect(queue.buffered).to.equal(5)
    let drained = 0
    queue.drop(() => drained++)
    sink.drain()
    expect(drained).to.equal(1)
    stops[1]?.()
    queue.writeNow(bytes('e'), undefined)
    queue.end()
    expect([one, two]).to.deep.equal([
      ['b', 'c'],
      ['b', 'c', 'd'],
    ])
    expect(sink.written).to.deep.equal(['a', 'b', 'c', 'd', 'e'])
    expect(sink.ended).to.equal(1)
  })

  it('writes what one turn gathered once, at the end of the turn', async () => {
    const { sink, queue } = setUp()
    queue.push(bytes('a'))
    queue.push(bytes('b'))
    expect(sink.written).to.deep.equal([])
    await yieldToEventLoop()
    queue.push(bytes('c'))
    await yieldToEventLoop()
    await yieldToEventLoop()
    expect(sink.written).to.deep.equal(['ab', 'c'])
  })

  it('writes everything once and in order, one write a turn at most', async () => {
    const texts = fc.string({ minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(texts, { maxLength: 4 }), { maxLength: 6 }), async (turns) => {
        const { sink, queue } = setUp()
        for (const turn of turns) {
          for (const text of turn) queue.push(bytes(text))
          await yieldToEventLoop()
        }
        const joined = turns.map((turn) => turn.join('')).filter((text) => text !== '')
        expect(sink.written).to.deep.equal(joined)
        expect(queue.buffered).to.equal(0)
      }),
      { numRuns: 200 },
    )
  })

  it('counts what waits in it and in the sink', async () => {
    const { sink, queue } = setUp()
    queue.push(bytes('abc'))
    sink.held = 10
    expect(queue.buffered).to.equal(13)
    await yieldToEventLoop()
    expect(queue.buffered).to.equal(10)
  })

  it('exceeds a bound just when what is buffered does', async () => {
    const { sink, queue } = setUp()
    queue.push(bytes('abc'))
    expect([queue.exceeds(2), queue.exceeds(3)]).to.deep.equal([true, false])
    sink.held = 10
    await yieldToEventLoop()
    expect([queue.exceeds(9), queue.exceeds(10)]).to.deep.equal([true, false])
    queue.push(bytes('ab'))
    expect([queue.exceeds(11), queue.exceeds(12)]).to.deep.equal([true, false])
    sink.drain()
    expect([queue.exceeds(1), queue.exceeds(2)]).to.deep.equal([true, false])
  })

  it('is behind with more than 64 KiB waiting, here or in the sink', async () => {
    const { sink, queue } = setUp()
    queue.push(Buffer.alloc(LOTS))
    expect(queue.behind).to.equal(false)
    queue.push(bytes('a'))
    expect(queue.behind).to.equal(true)
    await yieldToEventLoop()
    expect(queue.behind).to.equal(false)
    sink.held = LOTS + 1
    expect(queue.behind).to.equal(true)
  })

  it('puts other bytes in the place of a chunk only while it waits', async () => {
    const { sink, queue } = setUp()
    const [a, b, c] = [bytes('a'), bytes('b'), bytes('c')]
    for (const chunk of [a, b, c]) queue.push(chunk)
    queue.replace(new Map([[b, bytes('BB')]]))
    expect([queue.buffered, queue.pending.map(String)]).to.deep.equal([4, ['a', 'BB', 'c']])
    queue.replace(new Map([[c, bytes('C')]]))
    queue.replace(new Map([[bytes('a'), bytes('X')]]))
    await yieldToEventLoop()
    expect(sink.written).to.deep.equal(['aBBC'])
    queue.replace(new Map([[c, bytes('X')]]))
    queue.push(b)
    queue.replace(new Map([[a, bytes('X')]]))
    await yieldToEventLoop()
    expect(sink.written).to.deep.equal(['aBBC', 'b'])
  })

  it('writes the same joined bytes for all queues that gathered the same chunks', async () => {
    const flusher = new Flusher()
    const framed: (Buffer | undefined)[] = []
    const queues = [1, 2, 3].map(() => {
      const sink = new SlowSink()
      sink.write = (_bytes: Buffer, frame?: Buffer) => framed.push(frame) > 0
      return new WriteQueue(sink, flusher)
    })
    const [id, body] = [bytes('id: 1\n'), bytes('data: {}\n\n')]
    for (const queue of queues) {
      queue.push(id)
      queue.push(body)
    }
    await yieldToEventLoop()
    expect(String(framed[0])).to.equal('10\r\nid: 1\ndata: {}\n\n\r\n')
    expect(new Set(framed).size).to.equal(1)
  })

  it('writes at once what is within its limit, and says so where it is not, writing nothing', () => {
    const { sink, queue } = setUp()
    let exceeded = 0
    queue.limit(10, { stall: () => exceeded++ })
    queue.writeNow(bytes('12345'), undefined)
    sink.held = 5
    queue.writeNow(bytes('1234567'), undefined)
    expect([sink.written, exceeded]).to.deep.equal([['12345'], 1])
    sink.held = 0
    queue.writeNow(bytes('1234567'), undefined)
    expect([sink.written, exceeded]).to.deep.equal([['12345', '1234567'], 1])
    queue.close()
    queue.writeNow(bytes('x'), undefined)
    expect(sink.written.length).to.equal(2)
  })

  it('has room in a later turn, having written what waits at once', async () => {
    const { sink, queue } = setUp()
    queue.push(bytes('a'))
    let passed = false
    const room = queue.room().then(() => {
      passed = true
    })
    expect(sink.written).to.deep.equal(['a'])
    for (let i = 0; i < 20; i++) await Promise.resolve()
    expect(passed).to.equal(false)
    await room
  })

  it('has room only after the reader took what is too much, and not in the very turn of that', async () => {
    const { sink, queue } = setUp()
    sink.held = LOTS + 1
    let passed = false
    const room = queue.room().then(() => {
      passed = true
    })
    await yieldToEventLoop()
    await yieldToEventLoop()
    expect(passed).to.equal(false)
    sink.drain()
    for (let i = 0; i < 20; i++) await Promise.resolve()
    expect(passed).to.equal(false)
    await room
  })

  it('lets go of what waits, and calls back once the sink has drained', async () => {
    const { sink, queue } = setUp()
    let drained = 0
    queue.push(bytes('a'))
    queue.drop(() => drained++)
    expect(queue.buffered).to.equal(0)
    await yieldToEventLoop()
    expect([sink.written, drained]).to.deep.equal([[], 0])
    sink.drain()
    expect(drained).to.equal(1)
  })

  it('takes new bytes after it let go, also within the turn', async () => {
    const { sink, queue } = setUp()
    queue.push(bytes('a'))
    queue.drop(() => {})
    queue.push(bytes('b'))
    await yieldToEventLoop()
    expect(sink.written).to.deep.equal(['b'])
  })

  it('writes nothing after it was closed', async () => {
    const { sink, queue } = setUp()
    queue.push(bytes('a'))
    queue.close()
    queue.push(bytes('b'))
    queue.flush()
    await yieldToEventLoop()
    expect(sink.written).to.deep.equal([])
  })

  it('closed, wakes who waits for room and forgets who waits for a drain', async () => {
    const { sink, queue } = setUp()
    sink.held = LOTS + 1
    let drained = 0
    const room = queue.room()
    queue.drop(() => drained++)
    queue.close()
    await room
    sink.drain()
    expect(drained).to.equal(0)
  })

  it('writes what waits before it ends the sink', () => {
    const { sink, queue } = setUp()
    queue.push(bytes('last'))
    queue.end()
    expect([sink.written, sink.ended]).to.deep.equal([['last'], 1])
  })
})
