import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'

const run = promisify(execFile)

interface Outcome {
  name: string
  medians: Record<string, Record<string, number>>
  targets: { text: string; met: boolean }[]
}

describe('The benchmarks', function () {
  this.timeout(300_000)
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'particle-bench-'))
  })
  after(() => rmSync(folder, { recursive: true, force: true }))
  /** Runs the benchmarks, with nothing in the cache of programs. */
  const bench = (...args: string[]) =>
    run(process.execPath, ['--import', 'tsx', 'bench/run.ts', ...args], {
      maxBuffer: 1 << 24,
      env: { ...process.env, XDG_CACHE_HOME: folder },
    })

  it('run, with every candidate that is at hand, and write Markdown and JSON', async () => {
    const { stdout } = await bench(
      '--quick',
      '--only',
      'delivery,snapshot,client,routing,rooms,views',
      '--out',
      folder,
    )
    const { scenarios } = JSON.parse(readFileSync(join(folder, 'bench.json'), 'utf8')) as {
      scenarios: Outcome[]
    }
    expect(scenarios.map(({ name }) => name)).to.deep.equal([
      'delivery',
      'snapshot',
      'client',
      'routing',
      'rooms',
      'views',
    ])
    const [delivery, snapshot, client, routing, rooms, views] = scenarios.map(({ medians }) => medians)
    expect(delivery).to.have.all.keys('floor', 'particle', 'particle-http2', 'better-sse', 'socket.io', 'ws')
    expect(snapshot).to.have.all.keys('express', 'particle')
    for (const alone of [client, routing, rooms, views]) expect(alone).to.have.all.keys('particle')
    for (const figures of [delivery, snapshot, client, routing, rooms, views].flatMap((medians) =>
      Object.values(medians ?? {}),
    ))
      for (const figure of Object.values(figures)) expect(figure).to.be.greaterThan(0)
    // The figures of a small run on a busy machine say little, but what costs five times the floor is broken.
    const [floor, particle] = [delivery?.floor?.one ?? 0, delivery?.particle?.one ?? 0]
    expect(particle / floor, 'CPU time of a delivery, to the floor').to.be.lessThan(5)
    expect(routing?.particle?.times, 'a change among 500 views, to one among 10').to.be.lessThan(4)
    expect(views?.particle?.together, 'MB of 500 views').to.be.lessThan(10)
    expect(stdout).to.equal(readFileSync(join(folder, 'bench.md'), 'utf8').concat('\n'))
    expect(stdout).to.match(/\| particle \| [\d.]+ \| [\d.]+ \|/)
    expect(stdout).to.match(/^- skipped: centrifugo: (it is not built|there is no Go|its CPU time)/m)
  })

  it('name what they can measure when asked for something else', async () => {
    const failure = await bench('--only', 'nothing').then(
      () => undefined,
      (error: { code: number; stderr: string }) => error,
    )
    expect(failure?.code).to.equal(1)
    expect(failure?.stderr).to.match(/no nothing; there are delivery, memory/)
  })
})
