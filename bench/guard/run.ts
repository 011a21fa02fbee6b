/**
 * `npm run bench:guard [-- --quick] [--only name,name] [--runs number]`: measures ratios to floors, and fails where one is
 * over its bound. Several runs print how far they differ, and their medians, for bounds.ts.
 *
 * A round measures both sides one after the other, for some milliseconds each, and gives one ratio. A figure over its
 * bound is measured again after all others, in processes of its own and by twice as many rounds, twice at most: what
 * is slow only then, or in the one process, passes.
 */

import { parseArgs } from 'node:util'
import { Child } from '../child.ts'
import { median } from '../statistics.ts'
import { BOUNDS, type FigureName, TOLERANCE } from './bounds.ts'
import { CONTESTS } from './contests.ts'
import { judge, type Round, ratioOf } from './judge.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    runs: { type: 'string', default: '1' },
  },
})
/** How many rounds a figure has, and how many before them, in which the code gets warm. */
const ROUNDS = values.quick ? 25 : 200
const WARM_UP = values.quick ? 20 : 40
/** How often a figure over its bound is measured again. */
const AGAIN = 2

type Ratios = Map<FigureName, number>

/** Measures all figures that are asked for. */
async function measureAll(asked: readonly FigureName[], count: number): Promise<Ratios> {
  const ratios: Ratios = new Map()
  const processes = { server: new Child('guard/server.ts', [], 0), load: new Child('load.ts', [], 1) }
  for (const { figures, open } of CONTESTS) {
    const own = figures.filter((figure) => asked.includes(figure))
    if (own.length === 0) continue
    const { measure, close } = await open(processes)
    try {
      for (const figure of own) {
        await rounds(figure, WARM_UP, measure)
        ratios.set(figure, ratioOf(await rounds(figure, count, measure)))
      }
    } finally {
      await close()
    }
  }
  await Promise.all(Object.values(processes).map((child) => child.end()))
  return ratios
}

async function rounds(
  figure: FigureName,
  count: number,
  measure: (figure: FigureName, turned: boolean) => Promise<Round>,
): Promise<Round[]> {
  const all: Round[] = []
  while (all.length < count) all.push(await measure(figure, all.length % 2 === 1))
  return all
}

const isSlower = ([figure, ratio]: [FigureName, number]) => judge(ratio, BOUNDS[figure]) === 'SLOWER'

/** Measures all figures, and those over their bounds again. Returns the first ratios, and the last. */
async function run(asked: readonly FigureName[]): Promise<{ first: Ratios; last: Ratios }> {
  const first = await measureAll(asked, ROUNDS)
  const last = new Map(first)
  for (let tries = 0; tries < AGAIN; tries++) {
    const slower = [...last].filter(isSlower).map(([figure]) => figure)
    if (slower.length === 0) break
    for (const [figure, ratio] of await measureAll(slower, 2 * ROUNDS)) last.set(figure, ratio)
  }
  return { first, last }
}

const names = values.only?.split(',')
const asked = (Object.keys(BOUNDS) as FigureName[]).filter((name) => !names || names.includes(name))
const runs: { first: Ratios; last: Ratios }[] = []
while (runs.length < Number(values.runs)) {
  runs.push(await run(asked))
  if (Number(values.runs) > 1)
    console.error(`run ${runs.length}: ${JSON.stringify([...(runs.at(-1)?.last ?? [])])}`)
}

if (runs.length > 1) {
  console.log(
    '| figure | lowest | median | highest | fails at first | fails |\n| --- | ---: | ---: | ---: | ---: | ---: |',
  )
  for (const figure of asked) {
    const ratios = runs.map(({ first }) => first.get(figure) ?? Number.NaN)
    const fails = (which: 'first' | 'last') =>
      runs.filter((each) => isSlower([figure, each[which].get(figure) ?? Number.NaN])).length
    const cells = [Math.min(...ratios), median(ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2))
    console.log(`| \`${figure}\` | ${cells.join(' | ')} | ${fails('first')} | ${fails('last')} |`)
  }
  console.log('\nMedians, for `idle` in bench/guard/bounds.ts if the machine had no other work:')
  for (const figure of asked) {
    const middle = median(runs.map(({ first }) => first.get(figure) ?? Number.NaN)).toPrecision(3)
    console.log(`  ${figure}: ${Number(middle)}`)
  }
} else {
  console.log(
    '| figure | to | ratio | on an idle machine | fails from | |\n| --- | --- | ---: | ---: | ---: | --- |',
  )
  for (const [figure, ratio] of runs[0]?.last ?? []) {
    const { title, floor, idle, expected } = BOUNDS[figure]
    const limit = expected * TOLERANCE
    console.log(
      `| ${title} | ${floor} | ${ratio.toFixed(2)} | ${idle} | ${limit.toFixed(2)} | ${judge(ratio, BOUNDS[figure])} |`,
    )
  }
}
if (runs.some(({ last }) => [...last].some(isSlower))) {
  process.exitCode = 1
  console.error('Slower than bench/guard/bounds.ts allows.')
}
