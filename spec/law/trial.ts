import { expect } from 'chai'
import { SEARCH, tryTheLaw } from './law.ts'
import type { Setting } from './setting.ts'

/**
 * Repeats a failure by its seed and its path: `LAW_SEED=<seed> LAW_PATH=<path> npx mocha <the spec>`. (Where time
 * is real, the run may succeed then.) The usual runs have one seed: a landing must not hang on a new one.
 * `LAW_RUNS=1000` tries that many runs with another seed each time.
 */
const { LAW_SEED, LAW_PATH, LAW_RUNS } = process.env

/** A trial's measure. */
interface Measure {
  /** The usual number of runs. */
  runs: number
  /** The seed of the usual runs. */
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
  { runs, seed = 1, limit, happened }: Measure,
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
