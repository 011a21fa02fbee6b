import { Child } from '../child.ts'
import type { Scenario } from '../scenario.ts'

/** How long a client takes to apply deltas to a large collection, each parsed from its JSON and told to `onData`. */
export const client: Scenario = {
  name: 'client',
  title: 'A client applies 100,000 deltas to 100,000 documents (ms of CPU time)',
  columns: { time: 'sets, incs, inserts and removals' },
  candidates: ['particle'],
  base: undefined,
  rounds: { full: 5, quick: 1 },
  run: async (_candidate, quick) => {
    const child = new Child('client.ts', [], 1)
    const size = quick ? 10_000 : 100_000
    try {
      return { time: await child.call<number>('apply', { documents: size, deltas: size }) }
    } finally {
      await child.end()
    }
  },
  targets: [{ text: 'under a second', met: (medians) => (medians.particle?.time ?? Number.NaN) < 1000 }],
}
