import { expect } from 'chai'
import { tryTheLaw } from '../law/law.ts'
import { inMemory } from '../law/setting.ts'

/**
 * A failure names its seed and its path. To see it again, and only it: `LAW_SEED=<seed> LAW_PATH=<path> npx mocha spec/integration/law.spec.ts`. `LAW_RUNS` tries
 * more or less than the usual number of runs.
 */
const { LAW_SEED, LAW_PATH, LAW_RUNS } = process.env

/** What must have happened in the course of so many runs, for the property to say anything. */
const HAPPENED = [
  'states shown',
  'quiet points',
  'resumed here',
  'resumed elsewhere',
  'histories lost',
  'reset: slow-client',
  'reset: rights-changed',
  'revoked',
]

describe('The law of Particle', () => {
  it(`holds on ${inMemory.name}, whatever happens: writes, clients that come, stop reading, drop and come back elsewhere as someone else, rights that change, histories that are lost, nodes that die`, async function () {
    this.timeout(600_000)
    const counts = await tryTheLaw(inMemory, {
      runs: Number(LAW_RUNS ?? 1000),
      limit: 540_000,
      seed: LAW_SEED === undefined ? undefined : Number(LAW_SEED),
      path: LAW_PATH,
    })
    const told = [...counts].sort().map(([what, count]) => `${what} ${count}`)
    console.log(`      ${told.join(', ')}`)
    if (LAW_RUNS === undefined && LAW_PATH === undefined)
      for (const what of HAPPENED) expect(counts.get(what), what).to.be.greaterThan(0)
  })
})
