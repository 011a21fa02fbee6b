import { expect } from 'chai'
import { SEARCH, tryTheLaw } from './law.ts'
import type { Setting } from './setting.ts'

/**
 * A failure names its seed and its path. To see it again, and only it: `LAW_SEED=<seed> LAW_PATH=<path> npx mocha <the spec>` (where time is real, it need
 * not fail again). `LAW_RUNS` tries more or less than the usual number of runs, with a seed that nobody chose.
 */
const { LAW_SEED, LAW_PATH, LAW_RUNS } = process.env

/** A trial's measure. */
interface Measure {
  /** The usual number of runs. */
  runs: number
  /** The seed of the usual runs; left out, each time another one. On a real server, what is random in time is enough for those who wait for CI. */
  seed?: number
  /** How long those may take, in milliseconds, where others use the machine as well. */
  limit: number
  /** What must have happened in the course of so many runs, for the property to say anything. */
  happened: readonly string[]
}

/** A spec that the law of Particle holds in a setting. */
export function itHolds(
  title: string,
  setting: () => Setting,
  { runs, seed, limit, happened }: Measure,
): void {
  it(title, async function () {
    const count = Number(LAW_RUNS ?? runs)
    const longest = limit * Math.max(1, count / runs)
    this.timeout(longest + SEARCH + 60_000)
    const tried = setting()
    const counts = await tryTheLaw(tried, {
      runs: count,
      limit: longest,
      seed: LAW_SEED === undefined ? (LAW_RUNS === undefined ? seed : undefined) : Number(LAW_SEED),
      path: LAW_PATH,
    })
    const told = [...counts].sort().map(([what, count]) => `${what} ${count}`)
    console.log(`      ${tried.name}, ${count} runs: ${told.join(', ')}`)
    if (LAW_PATH === undefined)
      for (const what of happened) expect(counts.get(what), what).to.be.greaterThan(0)
  })
}
