import { Child } from '../child.ts'
import type { Figures, Scenario } from '../scenario.ts'

const SIZES = [1000, 10_000, 100_000]

/** How long a client takes to apply one delta that sets very many fields of one object. */
export const sets: Scenario = {
  name: 'sets',
  title: 'A client applies one delta of sets of fields of one object (ms of CPU time)',
  columns: Object.fromEntries(SIZES.map((size) => [`${size}`, `${size.toLocaleString('en')} sets`])),
  candidates: ['particle'],
  base: undefined,
  rounds: { full: 5, quick: 1 },
  run: async (_candidate, quick) => {
    const figures: Figures = {}
    for (const size of SIZES) {
      const child = new Child('client.ts', [], 1)
      try {
        figures[size] = await child.call<number>('sets', { sets: quick ? size / 10 : size })
      } finally {
        await child.end()
      }
    }
    return figures
  },
  targets: [
    {
      text: 'at most 20 times as long for ten times as many',
      met: ({ particle = {} }) => (particle['100000'] ?? Number.NaN) / (particle['10000'] ?? 0) < 20,
    },
  ],
}
