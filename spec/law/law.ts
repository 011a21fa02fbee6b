import fc from 'fast-check'
import { TokenSeal } from '../../lib/server/tokens/token.ts'
import type { Manner } from './manner.ts'
import { STORES } from './roots.ts'
import type { Setting } from './setting.ts'
import type { Step } from './step.ts'
import { steps } from './steps.ts'
import { story } from './story.ts'
import { type Config, World } from './world.ts'
import { seed } from './writes.ts'

/** How long a shorter run that fails is looked for, in milliseconds: over a real server each takes its time. */
export const SEARCH = 90_000
/** A run that takes longer than that hangs, in milliseconds. */
const LONGEST_RUN = 60_000

/** How much is tried, and from where. */
export interface Trial {
  runs: number
  /** Milliseconds after which it has failed since it takes too long. */
  limit: number
  seed?: number | undefined
  path?: string | undefined
}

const configs = fc.record<Config>({
  manner: fc.record<Manner>({
    tells: fc.constantFrom('documents', 'values'),
    asked: fc.boolean(),
    torn: fc.boolean(),
  }),
  history: fc.constantFrom(1000, 3),
  replayBytes: fc.constantFrom(1_000_000, 3_000, 0),
  maxBufferedBytes: fc.constantFrom(1_048_576, 1_024, 4_096),
  sessionTtl: fc.constantFrom(3_600_000, 60_000),
})

/**
 * Tries the law of Particle on a source: whatever happens, every client shows only what the source really had, in the source's order, and at every quiet
 * point exactly what it has. Resolves to how often what happened; rejects with the shortest run found that breaks it, and how to see it again.
 */
export async function tryTheLaw(setting: Setting, trial: Trial): Promise<Map<string, number>> {
  // The first token loads the library that seals it, which takes real time: runs count turns.
  await new TokenSeal().open('').catch(() => {})
  const counts = new Map<string, number>()
  const time = setting.time()
  let failed = Number.POSITIVE_INFINITY
  const property = fc.asyncProperty(configs, steps, async (config, happenings) => {
    if (performance.now() - failed > SEARCH) return
    const stores = await setting.open(config.history)
    const world = new World(setting, stores, time, config, counts)
    try {
      await run(world, happenings)
    } catch (error) {
      failed = Math.min(failed, performance.now())
      throw error
    } finally {
      await world.abandon()
    }
  })
  try {
    await fc.assert(property, {
      numRuns: trial.runs,
      examples: [story],
      timeout: LONGEST_RUN,
      interruptAfterTimeLimit: trial.limit + SEARCH,
      markInterruptAsFailure: true,
      ...(trial.seed === undefined ? {} : { seed: trial.seed }),
      ...(trial.path === undefined ? {} : { path: trial.path }),
    })
  } finally {
    time.stop()
  }
  return counts
}

async function run(world: World, happenings: readonly Step[]): Promise<void> {
  for (const store of STORES) await world.write(store, { text: 'seed', run: seed })
  world.come(true, 'ann', 0)
  world.come(false, 'ben', 1)
  for (const step of happenings) {
    await step.run(world)
    world.judge()
  }
  await world.quiet(true)
  await world.end()
}
