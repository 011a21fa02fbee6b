import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
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
 * The variable SPEC_LANES sets how many lanes run at a time, and SPEC_MINUTES how long all may take.
 */

const ROOT = join(import.meta.dirname, '..')
const MOCHA = join(ROOT, 'node_modules', 'mocha', 'bin', 'mocha.js')
const AT_A_TIME = Number(process.env.SPEC_LANES) || availableParallelism() + 2
/** Ends the run before CI does so after 90 minutes, since CI would not tell which lane hung. */
const MINUTES = Number(process.env.SPEC_MINUTES) || 78

const words = process.argv.slice(2)
const firstOption = words.findIndex((word) => word.startsWith('-'))
const names = firstOption < 0 ? words : words.slice(0, firstOption)
const options = firstOption < 0 ? [] : words.slice(firstOption)

const children = new Set<ChildProcess>()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    for (const child of children) endGroup(child, signal)
    process.exit(1)
  })
let late = false
const timer = setTimeout(() => {
  late = true
  for (const child of children) endGroup(child, 'SIGKILL')
}, MINUTES * 60_000)

const parts = chosen()
const folder = await mkdtemp(join(tmpdir(), 'particle-lanes-'))
const results: Result[] = []
for (const part of parts.filter(({ alone }) => alone)) await run(part)
const waiting = parts.filter(({ alone }) => !alone)
await Promise.all(Array.from({ length: AT_A_TIME }, work))
clearTimeout(timer)
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
  if (late) {
    const failed = `the lane ${name} did not begin within ${MINUTES} minutes`
    results.push({ passed: 0, failures: 1, failed: [failed], skipped: [], retried: [] })
    return
  }
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
  const code = await end(child)
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
    const how = late ? `after ${MINUTES} minutes` : `with ${code === null ? 'a signal' : `code ${code}`}`
    result.failed.push(`the lane ${name} ended ${how}`)
  }
  results.push(result)
  const seconds = Math.round((performance.now() - began) / 1000)
  const outcome = result.failures > 0 ? `${result.failures} failed` : 'all passed'
  console.log(`\n=== ${name}: ${outcome}, ${seconds} s\n`)
}

/**
 * Waits for the end of a lane, and returns its exit code. Ends the processes that the lane left behind: one that
 * has the lane's output open would hold the run up.
 */
async function end(child: ChildProcess): Promise<number | null> {
  const closed = once(child, 'close')
  const [code] = await once(child, 'exit')
  endGroup(child, 'SIGKILL')
  await Promise.race([closed, delay(5_000, undefined, { ref: false })])
  child.stdout?.destroy()
  child.stderr?.destroy()
  return code
}

/** Sends a signal to a lane and to what the lane started. */
function endGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal)
  } catch {
    // All of them have ended.
  }
}
