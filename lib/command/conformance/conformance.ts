import type { Case } from './case.ts'
import { CLIENT_CASES, ClientStage } from './client/stage.ts'
import { UNTESTED } from './rules.ts'
import { type Outcome, runCases, type Stage } from './runner.ts'
import { SERVER_CASES, serverStage } from './server/stage.ts'

/** Configures {@link conformance}. */
export interface ConformanceOptions {
  /** The address of the server under test; `undefined` for a client. */
  url: string | undefined
  /** The command of the driver of the client under test; `undefined` for a server. */
  client: string | undefined
  /** The address of the fixture's own routes. */
  fixture: string
  filter: readonly string[]
  isList: boolean
  isJson: boolean
  /** How long a case waits for each thing that it expects, in milliseconds. */
  timeout: number
  /** How many cases run at a time. */
  jobs: number
}

/**
 * Runs the cases for a client or for a server, and writes a line for each. Returns the exit code: 0 when no
 * case has failed, else 1.
 */
export async function conformance(
  options: ConformanceOptions,
  write: (text: string) => void,
): Promise<0 | 1> {
  const { url, client, fixture, timeout, isList } = options
  if (isList) {
    write(listOf(options))
    return 0
  }
  if (client !== undefined) {
    const stage = new ClientStage(client, timeout)
    const code = await run(CLIENT_CASES, stage, options, write)
    await stage.end()
    return code
  }
  return await run(SERVER_CASES, serverStage({ url: url ?? '', fixture, timeout }), options, write)
}

async function run<Scene>(
  cases: readonly Case<Scene>[],
  stage: Stage<Scene>,
  options: ConformanceOptions,
  write: (text: string) => void,
): Promise<0 | 1> {
  const { isJson, jobs } = options
  const count = { ok: 0, failed: 0, skipped: 0 }
  await runCases(chosen(cases, options), stage, jobs, (outcome) => {
    count[outcome.result === 'not ok' ? 'failed' : outcome.result]++
    write(isJson ? `${JSON.stringify(outcome)}\n` : lineOf(outcome))
  })
  const { ok, failed, skipped } = count
  write(isJson ? `${JSON.stringify(count)}\n` : `${ok} ok, ${failed} not ok, ${skipped} skipped\n`)
  return failed === 0 ? 0 : 1
}

function chosen<Scene>(
  cases: readonly Case<Scene>[],
  { filter }: Pick<ConformanceOptions, 'filter'>,
): Case<Scene>[] {
  const isChosen = ({ rule, title }: Case<Scene>) => filter.some((text) => `${rule} ${title}`.includes(text))
  return cases.filter((each) => filter.length === 0 || isChosen(each))
}

function lineOf({ rule, title, result, reason }: Outcome): string {
  const line = `${result.padEnd(9)}${rule.padEnd(4)}${title}`
  if (reason === undefined) return `${line}\n`
  if (result === 'skipped') return `${line}: ${reason}\n`
  return `${line}\n${reason.replaceAll(/^/gm, ' '.repeat(13))}\n`
}

function listOf(options: ConformanceOptions): string {
  const { isJson } = options
  const cases = [
    ...chosen(SERVER_CASES, options).map(({ rule, title }) => ({ rule, title, tests: 'server' })),
    ...chosen(CLIENT_CASES, options).map(({ rule, title }) => ({ rule, title, tests: 'client' })),
  ]
  const untested = Object.entries(UNTESTED).map(([rule, reason]) => ({ rule, reason }))
  if (isJson) return [...cases, ...untested].map((each) => `${JSON.stringify(each)}\n`).join('')
  return [
    ...cases.map(({ rule, title, tests }) => `${tests}  ${rule.padEnd(4)}${title}\n`),
    ...untested.map(({ rule, reason }) => `none    ${rule.padEnd(4)}${reason}\n`),
  ].join('')
}
