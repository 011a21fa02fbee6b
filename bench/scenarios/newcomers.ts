import { Child } from '../child.ts'
import type { Scenario } from '../scenario.ts'

/** What clients cost that come at once, each to a view of its own, beside as many of one view, and one alone. */
export const newcomers: Scenario = {
  name: 'newcomers',
  title: '1,000 clients that come at once, to a view of 10 documents each',
  columns: {
    distinct: 'CPU time of a client of a view of its own (µs)',
    shared: 'of a client of a view that all have (µs)',
    alone: 'until one client alone has its documents (ms)',
    first: 'until the last but 1% of 1,000 have theirs (ms)',
  },
  candidates: ['particle'],
  base: undefined,
  rounds: { full: 5, quick: 1 },
  run: async (_candidate, quick) => {
    const count = quick ? 200 : 1_000
    const child = new Child('views.ts', [String(6 * count), '10'], 0)
    try {
      const arrive = (subscribers: number, distinct: boolean) =>
        child.call<{ cpu: number; p99: number }>('arrive', { subscribers, distinct })
      for (let round = 0; round < 2; round++)
        for (const distinct of [true, false]) await arrive(count, distinct)
      const alone: number[] = []
      for (let times = 0; times < 21; times++) alone.push((await arrive(1, true)).p99)
      const own = await arrive(count, true)
      const shared = await arrive(count, false)
      return {
        distinct: own.cpu / count,
        shared: shared.cpu / count,
        alone: alone.sort((a, b) => a - b)[10] ?? Number.NaN,
        first: own.p99,
      }
    } finally {
      await child.end()
    }
  },
  targets: [],
}
