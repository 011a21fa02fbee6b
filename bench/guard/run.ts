/**
 * `npm run bench:guard [-- --quick] [--only name,name]`: measures ratios to floors, and fails where one is over its bound.
 *
 * A round measures both sides one after the other, for some milliseconds each, and gives one ratio. A figure
 * over its bound is measured once more, by twice as many rounds (four times as many of the few quick ones), before
 * it fails.
 */

import { parseArgs } from 'node:util'
import { Child } from '../child.ts'
import { BOUNDS, type FigureName } from './bounds.ts'
import { CONTESTS } from './contests.ts'
import { judge, type Round, ratioOf } from './judge.ts'

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } },
})
/** How many rounds a figure has, and how many before them, in which the code gets warm. */
const ROUNDS = values.quick ? 25 : 200
const WARM_UP = values.quick ? 20 : 40

const names = values.only?.split(',')
const ratios = new Map<FigureName, number>()

const processes = { server: new Child('guard/server.ts', [], 0), load: new Child('load.ts', [], 1) }
for (const { figures, open } of CONTESTS) {
  const asked = figures.filter((figure) => !names || names.includes(figure))
  if (asked.length === 0) continue
  const { measure, close } = await open(processes)
  try {
    for (const figure of asked) {
      await rounds(figure, WARM_UP, measure)
      let ratio = ratioOf(await rounds(figure, ROUNDS, measure))
      if (judge(ratio, BOUNDS[figure]) === 'SLOWER')
        ratio = ratioOf(await rounds(figure, values.quick ? 4 * ROUNDS : 2 * ROUNDS, measure))
      ratios.set(figure, ratio)
    }
  } finally {
    await close()
  }
}

await Promise.all(Object.values(processes).map((child) => child.end()))

async function rounds(
  figure: FigureName,
  count: number,
  measure: (figure: FigureName, turned: boolean) => Promise<Round>,
): Promise<Round[]> {
  const all: Round[] = []
  while (all.length < count) all.push(await measure(figure, all.length % 2 === 1))
  return all
}

console.log('| figure | to | ratio | expected | |\n| --- | --- | ---: | ---: | --- |')
for (const [figure, ratio] of ratios) {
  const { title, floor, expected } = BOUNDS[figure]
  const verdict = judge(ratio, BOUNDS[figure])
  console.log(`| ${title} | ${floor} | ${ratio.toFixed(2)} | ${expected} | ${verdict} |`)
  if (verdict === 'SLOWER') process.exitCode = 1
}
if (process.exitCode) console.error('Slower than bench/guard/bounds.ts allows.')
