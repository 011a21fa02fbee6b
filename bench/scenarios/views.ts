import { Child } from '../child.ts'
import type { Scenario } from '../scenario.ts'

const MB = 1e6

/** What views cost in memory, apart from the subscribers that look at them: as many of one view are measured, too. */
export const views: Scenario = {
  name: 'views',
  title: 'Memory of 10,000 views of 10 documents each (MB)',
  columns: {
    views: 'views',
    subscribers: 'a subscriber each, in process',
    together: 'together',
  },
  candidates: ['particle'],
  base: undefined,
  rounds: { full: 3, quick: 1 },
  run: async (_candidate, quick) => {
    const count = quick ? 500 : 10_000
    const measure = async (distinct: boolean) => {
      const child = new Child('views.ts', [String(count), '10'], 0)
      try {
        // What the first one brings with it is not theirs.
        await child.call('open', { subscribers: 1, distinct: false })
        const before = await child.call<number>('memory')
        const made = await child.call<number>('open', {
          subscribers: distinct ? count - 1 : count,
          distinct,
        })
        if (made !== (distinct ? count : 1)) throw new Error(`${made} views`)
        return ((await child.call<number>('memory')) - before) / MB
      } finally {
        await child.end()
      }
    }
    const together = await measure(true)
    const subscribers = await measure(false)
    return { views: together - subscribers, subscribers, together }
  },
  targets: [
    {
      text: 'at most 42 MB, with their subscribers',
      met: ({ particle }) => (particle?.together ?? Number.NaN) <= 42,
    },
  ],
}
