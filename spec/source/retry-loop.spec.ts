import { expect } from 'chai'
import { RetryLoop, type RetryLoopWork } from '../../lib/source/retry-loop.ts'

describe('source/retry-loop', () => {
  const loops: RetryLoop[] = []
  const hopeless = new Error('no such database')

  /** Makes a loop whose attempts end as listed; the last entry is an attempt that lasts until the close. */
  function looped(ends: readonly (Error | 'accept' | 'done')[], work: Partial<RetryLoopWork> = {}) {
    const told: unknown[] = []
    let attempts = 0
    const loop: RetryLoop = new RetryLoop({
      attempt: async () => {
        const end = ends[attempts++]
        if (end === 'accept') loop.accept()
        if (end instanceof Error) throw end
        if (end === undefined) await new Promise((resolve) => loop.signal.addEventListener('abort', resolve))
      },
      isHopeless: (error) => error === hopeless,
      failed: (error) => {
        told.push(error)
        return 'at once'
      },
      ...work,
    })
    loops.push(loop)
    return { loop, told, attempts: () => attempts }
  }

  const rejection = (loop: RetryLoop) => loop.opened.then(() => 'opened').catch((error: unknown) => error)

  afterEach(async () => {
    await Promise.all(loops.splice(0).map((loop) => loop.close()))
  })

  it('reports each failure, and opens with the first accepted attempt', async () => {
    const down = new Error('down')
    const { loop, told, attempts } = looped([down, down, 'accept'])
    await loop.opened
    expect([told, attempts(), loop.isOpen]).to.deep.equal([[down, down], 3, true])
  })

  it('rejects the opening with a hopeless failure, and ends without a report', async () => {
    const { loop, told, attempts } = looped([hopeless])
    expect(await rejection(loop)).to.equal(hopeless)
    expect([told, attempts(), loop.isClosed]).to.deep.equal([[], 1, true])
  })

  it('goes on after the same failure once it is open', async () => {
    const { loop, told, attempts } = looped(['accept', hopeless])
    await loop.opened
    await new Promise((resolve) => setImmediate(resolve))
    expect([told, attempts(), loop.isClosed]).to.deep.equal([[hopeless], 3, false])
  })

  it('reports once that an open source answers again, and nothing of failures before the opening', async () => {
    const down = new Error('down')
    let recoveries = 0
    const { loop, attempts } = looped([down, 'accept', down, down, 'accept'], {
      recovered: () => recoveries++,
    })
    await loop.opened
    loop.succeeded()
    expect(recoveries).to.equal(0)
    while (attempts() < 6) await new Promise((resolve) => setImmediate(resolve))
    loop.succeeded()
    loop.succeeded()
    expect(recoveries).to.equal(1)
  })

  it('rejects the opening when it is closed, with the given reason or the code CLOSED', async () => {
    const reason = new Error('nobody waits')
    const { loop } = looped([])
    await loop.close(reason)
    expect(await rejection(loop)).to.equal(reason)
    const { loop: other } = looped([])
    await other.close()
    expect(await rejection(other)).to.have.property('code', 'CLOSED')
  })

  it('ends a pause at once when it is closed, and starts no other attempt', async () => {
    const { loop, attempts } = looped([new Error('down')], { failed: () => undefined })
    await new Promise((resolve) => setImmediate(resolve))
    const begun = performance.now()
    await loop.close()
    expect(performance.now() - begun).to.be.lessThan(400)
    expect(attempts()).to.equal(1)
  })
})
