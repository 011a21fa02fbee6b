import { expect } from 'chai'
import { ParticleError } from '../../../lib/errors.ts'
import { ExcessPause } from '../../../lib/server/view/excess-pause.ts'

const codeOf = (reading: Promise<unknown>) =>
  reading.then(
    () => 'read',
    ({ code }: ParticleError) => code,
  )

describe('server/view/excess-pause', () => {
  it('reads a view that was too large no more for a while, however often it is asked for', async () => {
    let reads = 0
    const pause = new ExcessPause()
    const load = async () => {
      reads++
      throw new ParticleError('LIMIT_EXCEEDED', 'Too large')
    }
    for (let times = 0; times < 100; times++)
      expect(await codeOf(pause.read(load))).to.equal('LIMIT_EXCEEDED')
    expect(reads).to.equal(1)
  })

  it('reads again at once what failed for another reason', async () => {
    const pause = new ExcessPause()
    const load = async () => {
      throw new ParticleError('SOURCE_FAILED', 'Down')
    }
    expect(await codeOf(pause.read(load))).to.equal('SOURCE_FAILED')
    expect(await codeOf(pause.read(async () => 1))).to.equal('read')
  })
})
