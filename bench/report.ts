import { cpus, totalmem } from 'node:os'
import type { CandidateName } from './candidate.ts'
import { PINNED } from './child.ts'
import type { Figures, Scenario } from './scenario.ts'
import { digits, median } from './statistics.ts'

/** All figures of one scenario, round by round. */
export interface Outcome {
  scenario: Scenario
  /** Why it was not run, if so. */
  skipped: string | undefined
  /** The candidates that can't be had here, and why. */
  without: Partial<Record<CandidateName, string>>
  rounds: Partial<Record<CandidateName, Figures[]>>
}

function mediansOf({ scenario, rounds }: Outcome): Partial<Record<CandidateName, Figures>> {
  return Object.fromEntries(
    Object.entries(rounds).map(([name, figures]) => [
      name,
      Object.fromEntries(
        Object.keys(scenario.columns).map((column) => [
          column,
          median(figures.map((figure) => figure[column] ?? Number.NaN)),
        ]),
      ),
    ]),
  )
}

/** The outcomes as Markdown. */
export function markdown(outcomes: readonly Outcome[], quick: boolean): string {
  const [cpu] = cpus()
  const where = `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} × ${cpu?.model ?? 'CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB`
  const how = PINNED ? 'server on one core, load on another' : 'not pinned to cores'
  const size = quick ? ' Quick run: smaller, one round; its figures say that it works, and no more.' : ''
  return `${where}; ${how}. Medians.${size}\n\n${outcomes.map(section).join('\n')}`
}

function section(outcome: Outcome): string {
  const { scenario, skipped } = outcome
  if (skipped !== undefined) return `### ${scenario.title}\n\nSkipped: ${skipped}\n`
  const medians = mediansOf(outcome)
  const columns = Object.entries(scenario.columns)
  const base = scenario.base && medians[scenario.base]
  const head = ['', ...columns.flatMap(([, title]) => (base ? [title, `to ${scenario.base}`] : [title]))]
  const rows = Object.entries(medians).map(([name, figures]) => [
    name,
    ...columns.flatMap(([column]) => {
      const value = figures[column] ?? Number.NaN
      return base ? [digits(value), (value / (base[column] ?? Number.NaN)).toFixed(2)] : [digits(value)]
    }),
  ])
  const table = [head, head.map((_, index) => (index === 0 ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
  const rounds = Math.max(...Object.values(outcome.rounds).map((figures) => figures.length))
  const targets = scenario.targets.map(({ text, met }) => `- ${met(medians) ? 'met' : 'NOT met'}: ${text}`)
  const without = Object.entries(outcome.without).map(([name, why]) => `- skipped: ${name}: ${why}`)
  const notes = [...targets, ...without]
  return `### ${scenario.title}\n\n${rounds} round${rounds === 1 ? '' : 's'}.\n\n${table}\n${notes.length > 0 ? `\n${notes.join('\n')}\n` : ''}`
}

/** The outcomes with every round's figures. */
export function json(outcomes: readonly Outcome[], quick: boolean): string {
  const figures = outcomes.map((outcome) => ({
    name: outcome.scenario.name,
    title: outcome.scenario.title,
    skipped: outcome.skipped,
    without: outcome.without,
    medians: mediansOf(outcome),
    rounds: outcome.rounds,
    targets: outcome.scenario.targets.map(({ text, met }) => ({
      text,
      met: outcome.skipped === undefined && met(mediansOf(outcome)),
    })),
  }))
  const machine = { node: process.version, cpus: cpus().map(({ model }) => model), pinned: PINNED }
  return `${JSON.stringify({ date: new Date().toISOString(), quick, machine, scenarios: figures }, null, 2)}\n`
}
