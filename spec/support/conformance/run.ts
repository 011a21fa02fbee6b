import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { conformance } from '../../../lib/command/conformance/conformance.ts'
import type { Outcome } from '../../../lib/command/conformance/runner.ts'
import { conformanceOptions } from '../../../lib/command/conformance-options.ts'

const MUTANTS = join(import.meta.dirname, 'mutants.js')
const PAGE = join(import.meta.dirname, '..', '..', '..', 'docs', 'reference', 'conformance.md')

/** A run of the pack, as its options name it. */
export interface Run {
  url?: string
  client?: string
  filter?: readonly string[]
  timeout?: number
  jobs?: number
}

/** Runs the pack, and returns the exit code and the outcomes. */
export async function runPack(run: Run): Promise<{ code: number; outcomes: Outcome[] }> {
  const { url, client, filter = [], timeout, jobs } = run
  let text = ''
  const options = conformanceOptions({
    urls: url === undefined ? [] : [url],
    fixture: undefined,
    isList: false,
    isJson: true,
    ...{ client, filter, timeout, jobs },
  })
  const code = await conformance(options, (part) => {
    text += part
  })
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  return { code, outcomes: lines.slice(0, -1) }
}

/** Lists the outcomes that are not ok. */
export function problemsOf(outcomes: readonly Outcome[]): Outcome[] {
  return outcomes.filter(({ result }) => result !== 'ok')
}

/** Runs a task for each item, a few at a time. */
export async function runAll<T>(items: readonly T[], task: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  const work = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await task(item)
  }
  await Promise.all(Array.from({ length: 12 }, work))
}

/** Writes the driver of the page into a folder, and beside it one without watches and positions. */
export async function writeDrivers(folder: string): Promise<void> {
  const [, text = ''] = /^```js \[driver\.mjs\]\n(.*?)^```$/ms.exec(readFileSync(PAGE, 'utf8')) ?? []
  await writeFile(join(folder, 'driver.mjs'), text)
  const limited = text.replace(/^ {2}(watch|reached)\(/gm, '  $1No(')
  await writeFile(join(folder, 'limited.mjs'), limited)
}

/** Returns the command that starts a driver, with a mistake of mutants.js if one is named. */
export function commandOf(driver: string, mutant?: string): string {
  const node = `"${process.execPath}"`
  return mutant === undefined
    ? `${node} "${driver}"`
    : `MUTANT="${mutant}" ${node} --import "${MUTANTS}" "${driver}"`
}
