import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { closeWith, type Result, sum } from '../spec/support/result.ts'
import { assign, type Part, specFiles } from './lanes.ts'

/*
 * Runs the specs in lanes (scripts/lanes.ts), several at a time, since most of them wait for servers, timers
 * and browsers:
 *
 *   npm test                                all lanes, some of them in CI alone (with the variable CI)
 *   npm test -- mongo redis                 these lanes
 *   npm test -- spec/model/path.spec.ts     these files, each in a lane of its own
 *   npm test -- unit --grep limit           options go to mocha, after the names
 *
 * Prints the output of a lane when the lane has ended, and at the end the line that CI counts by.
 * The variable SPEC_LANES sets how many lanes run at a time.
 */

const ROOT = join(import.meta.dirname, '..')
const MOCHA = join(ROOT, 'node_modules', 'mocha', 'bin', 'mocha.js')
const AT_A_TIME = Number(process.env.SPEC_LANES) || availableParallelism() + 2

const words = process.argv.slice(2)
const firstOption = words.findIndex((word) => word.startsWith('-'))
const names = firstOption < 0 ? words : words.slice(0, firstOption)
const options = firstOption < 0 ? [] : words.slice(firstOption)

const children = new Set<ChildProcess>()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    for (const { pid } of children) if (pid !== undefined) process.kill(-pid, signal)
    process.exit(1)
  })

const parts = chosen()
const folder = await mkdtemp(join(tmpdir(), 'particle-lanes-'))
const results: Result[] = []
for (const part of parts.filter(({ alone }) => alone)) await run(part)
const waiting = parts.filter(({ alone }) => !alone)
await Promise.all(Array.from({ length: AT_A_TIME }, work))
await rm(folder, { recursive: true, force: true })
process.exitCode = closeWith(sum(results)) > 0 ? 1 : 0

/** Returns the named lanes, else all. Ends the process for a name that is neither a lane nor a file. */
function chosen(): Part[] {
  const lanes = assign(specFiles())
  if (names.length === 0) {
    const left = process.env.CI ? [] : lanes.filter(({ inCi }) => inCi)
    for (const { name } of left) console.log(`=== ${name}: left to CI, and to npm test -- ${name}`)
    return lanes.filter((lane) => !left.includes(lane))
  }
  return names.map((name) => {
    const lane = lanes.find((one) => one.name === name)
    if (!lane && !/[./]/.test(name)) {
      console.error(`There is no lane ${name}, but ${lanes.map((one) => one.name).join(', ')}.`)
      process.exit(1)
    }
    return lane ?? { name, paths: [name], files: [name] }
  })
}

/** Runs one lane after the other, until none waits. */
async function work(): Promise<void> {
  for (let part = waiting.shift(); part; part = waiting.shift()) await run(part)
}

/** Runs mocha for one lane. A lane that ends without a result, as by a crash, counts as one failure. */
async function run({ name, files }: Part): Promise<void> {
  const began = performance.now()
  const file = join(folder, `${results.length}-${name.replace(/\W/g, '-')}.json`)
  const child = spawn(process.execPath, [MOCHA, ...options, ...files], {
    cwd: ROOT,
    env: { ...process.env, SPEC_RESULT: file },
    // Mocha starts a process itself: a signal reaches both in a group of their own.
    detached: true,
    // The output of a single lane is shown as it comes.
    stdio: ['ignore', parts.length > 1 ? 'pipe' : 'inherit', parts.length > 1 ? 'pipe' : 'inherit'],
  })
  children.add(child)
  const chunks: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => chunks.push(chunk))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  children.delete(child)
  process.stdout.write(Buffer.concat(chunks))
  const written = await readFile(file, 'utf8').then(
    (text): Result => JSON.parse(text),
    () => undefined,
  )
  const result = written ?? { passed: 0, failures: 0, failed: [], skipped: [], retried: [] }
  // A spec that ends its process may do so with code 0: then only the missing result shows it.
  if (written === undefined || code === null || (code !== 0 && result.failures === 0)) {
    result.failures++
    result.failed.push(`the lane ${name} ended with ${code === null ? 'a signal' : `code ${code}`}`)
  }
  results.push(result)
  const seconds = Math.round((performance.now() - began) / 1000)
  const outcome = result.failures > 0 ? `${result.failures} failed` : 'all passed'
  console.log(`\n=== ${name}: ${outcome}, ${seconds} s\n`)
}
