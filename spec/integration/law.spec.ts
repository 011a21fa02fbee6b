import { expect } from 'chai'
import { tryTheLaw } from '../law/law.ts'
import { inMemory } from '../law/setting.ts'

/** To see a failure again: `LAW_SEED=<seed> LAW_PATH=<path> npx mocha spec/integration/law.spec.ts`, both as the failure names them. */
const { LAW_SEED, LAW_PATH, LAW_RUNS = '1000' } = process.env

describe('The law of Particle', () => {
  it('holds whatever happens', async function () {
    this.timeout(600_000)
    const counts = await tryTheLaw(inMemory, {
      runs: Number(LAW_RUNS),
      seed: LAW_SEED === undefined ? undefined : Number(LAW_SEED),
      path: LAW_PATH,
    })
    for (const [what, count] of [...counts].sort()) console.log(`      ${count} ${what}`)
    if (LAW_PATH === undefined) expect(counts.get('resumed here')).to.be.greaterThan(0)
  })
})
