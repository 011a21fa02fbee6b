import { expect } from 'chai'
import { Coalesced } from '../../../lib/server/support/coalesced.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('server/support/coalesced', () => {
  it('runs one work at a time, and once more for all who asked meanwhile', async () => {
    const ends: (() => void)[] = []
    const coalesced = new Coalesced(() => new Promise<void>((resolve) => void ends.push(resolve)))
    const runs = [coalesced.run(), coalesced.run()]
    await turn()
    for (let times = 0; times < 100; times++) runs.push(coalesced.run())
    await turn()
    expect(ends).to.have.length(1)
    ends[0]?.()
    await runs[0]
    await turn()
    expect(ends).to.have.length(2)
    expect(coalesced.isRunning).to.equal(true)
    ends[1]?.()
    await Promise.all(runs)
    expect(ends).to.have.length(2)
    expect(coalesced.isRunning).to.equal(false)
  })

  it('goes on after a work that fails', async () => {
    let runs = 0
    const coalesced = new Coalesced(async () => {
      if (++runs === 1) throw new Error('once')
    })
    const first = coalesced.run().catch(String)
    await Promise.resolve()
    const second = coalesced.run()
    expect(await first).to.equal('Error: once')
    await second
    expect(runs).to.equal(2)
  })
})
