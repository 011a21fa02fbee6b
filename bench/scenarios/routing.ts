import { Child } from '../child.ts'
import type { Scenario } from '../scenario.ts'
import { median } from '../statistics.ts'

/** What a change that touches one view costs with few views and with many, in two servers that take turns. */
export const routing: Scenario = {
  name: 'routing',
  title: 'CPU time of a change that touches one of many views (µs)',
  columns: { few: 'of 10 views', many: 'of 10,000 views', times: 'times as much' },
  candidates: ['particle'],
  base: undefined,
  rounds: { full: 3, quick: 1 },
  run: async (_candidate, quick) => {
    const views = quick ? 500 : 10_000
    // The collections are alike: what their documents cost is no part of what more views cost.
    const children = [10, views].map((subscribers) => ({
      child: new Child('views.ts', [String(views), '10'], 0),
      subscribers,
      costs: [] as number[],
    }))
    try {
      for (const { child, subscribers } of children) {
        const made = await child.call<number>('open', { subscribers, distinct: true })
        if (made !== subscribers) throw new Error(`${made} views where there should be ${subscribers}`)
        await child.call('change', quick ? 500 : 10_000)
      }
      const ratios: number[] = []
      for (let burst = 0; burst < (quick ? 3 : 11); burst++) {
        for (const { child, costs } of children)
          costs.push(await child.call<number>('change', quick ? 500 : 4000))
        const [few, many] = children.map(({ costs }) => costs.at(-1) ?? Number.NaN)
        ratios.push((many ?? Number.NaN) / (few ?? Number.NaN))
      }
      const [few = Number.NaN, many = Number.NaN] = children.map(({ costs }) => median(costs))
      return { few, many, times: median(ratios) }
    } finally {
      await Promise.all(children.map(({ child }) => child.end()))
    }
  },
  targets: [
    {
      text: 'with 10,000 views at most 2 times what it costs with 10',
      met: ({ particle }) => (particle?.times ?? Number.NaN) <= 2,
    },
  ],
}
