/** `npm run bench [-- --quick] [--only name,name] [--rounds number] [--out folder]`: measures, prints Markdown, writes it and JSON. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { CandidateName } from './candidate.ts'
import { buildGoProgram } from './go-programs.ts'
import { json, markdown, type Outcome } from './report.ts'
import type { Figures, Scenario } from './scenario.ts'
import { changes } from './scenarios/changes.ts'
import { client } from './scenarios/client.ts'
import { compression } from './scenarios/compression.ts'
import { connect } from './scenarios/connect.ts'
import { delivery } from './scenarios/delivery.ts'
import { deltas } from './scenarios/deltas.ts'
import { lists } from './scenarios/lists.ts'
import { memory } from './scenarios/memory.ts'
import { newcomers } from './scenarios/newcomers.ts'
import { rooms } from './scenarios/rooms.ts'
import { routing } from './scenarios/routing.ts'
import { sets } from './scenarios/sets.ts'
import { snapshot } from './scenarios/snapshot.ts'
import { stalled } from './scenarios/stalled.ts'
import { throughput } from './scenarios/throughput.ts'
import { views } from './scenarios/views.ts'
import { rotated } from './statistics.ts'

const SCENARIOS: readonly Scenario[] = [
  delivery,
  memory,
  connect,
  snapshot,
  compression,
  deltas,
  throughput,
  ...changes,
  client,
  ...lists,
  sets,
  routing,
  rooms,
  views,
  newcomers,
  stalled,
]

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    rounds: { type: 'string' },
    out: { type: 'string', default: join(import.meta.dirname, 'results') },
  },
})
const { quick, out } = values
const names = values.only?.split(',')
const unknown = names?.find((name) => !SCENARIOS.some((scenario) => scenario.name === name))
if (unknown !== undefined) {
  console.error(
    `There is no ${unknown}; there are ${[...new Set(SCENARIOS.map(({ name }) => name))].join(', ')}`,
  )
  process.exit(1)
}

async function measure(scenario: Scenario): Promise<Outcome> {
  const skipped = scenario.unavailable?.()
  if (skipped !== undefined) return { scenario, skipped, without: {}, rounds: {} }
  const without = Object.fromEntries(
    scenario.candidates.flatMap((candidate) => {
      const why = buildGoProgram(candidate, !quick)
      return why === undefined ? [] : [[candidate, why]]
    }),
  )
  const candidates = scenario.candidates.filter((candidate) => !(candidate in without))
  const rounds: Partial<Record<CandidateName, Figures[]>> = Object.fromEntries(
    candidates.map((candidate) => [candidate, []]),
  )
  const count = Number(values.rounds ?? (quick ? scenario.rounds.quick : scenario.rounds.full))
  for (let round = 0; round < count; round++) {
    for (const candidate of rotated(candidates, round)) {
      const figures = await scenario.run(candidate, quick)
      rounds[candidate]?.push(figures)
      console.error(`${scenario.name}, round ${round + 1}, ${candidate}: ${JSON.stringify(figures)}`)
    }
  }
  return { scenario, skipped, without, rounds }
}

const outcomes: Outcome[] = []
for (const scenario of SCENARIOS) {
  if (!names || names.includes(scenario.name)) outcomes.push(await measure(scenario))
}
const text = markdown(outcomes, quick)
console.log(text)
mkdirSync(out, { recursive: true })
writeFileSync(join(out, 'bench.md'), text)
writeFileSync(join(out, 'bench.json'), json(outcomes, quick))
