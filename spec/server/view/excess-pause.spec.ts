import { expect } from 'chai'
import { ParticleError } from '../../../lib/errors.ts'
import { outsidePause } from '../../../lib/server/view/excess-pause.ts'

const codeOf = (reading: Promise<unknown>) =>
  reading.then(
    () => 'read',
    ({ code }: ParticleError) => code,
  )

describe('server/view/excess-pause', () => {
  it('reads a view that was too large no more for a while, however often it is asked for', async () => {
    let reads = 0
    const view = {}
    const load = async () => {
      reads++
      throw new ParticleError('LIMIT_EXCEEDED', 'Too large')
    }
    for (let times = 0; times < 100; times++)
      expect(await codeOf(outsidePause(view, load))).to.equal('LIMIT_EXCEEDED')
    expect(reads).to.equal(1)
  })

  it('reads again at once what failed for another reason', async () => {
    const view = {}
    const load = async () => {
      throw new ParticleError('SOURCE_FAILED', 'Down')
    }
    expect(await codeOf(outsidePause(view, load))).to.equal('SOURCE_FAILED')
    expect(await codeOf(outsidePause(view, async () => 1))).to.equal('read')
  })
})
