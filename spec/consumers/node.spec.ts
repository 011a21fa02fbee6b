import { expect } from 'chai'
import { LIVE, type Project, projectOrSkip } from '../support/consumers.ts'

describe('Particle in Node and other run-times', () => {
  let project: Project

  before(async function () {
    project = await projectOrSkip(this, 'node')
  })

  /** Runs a script; its last line is what it found. */
  const lastLine = async (command: string, ...args: string[]) =>
    (await project.run(command, args)).trim().split('\n').at(-1)

  it('runs by import', async () => {
    expect(await lastLine('node', 'import.mjs')).to.equal(LIVE)
  })

  it('runs by require', async () => {
    expect(await lastLine('node', '--no-warnings', 'require.cjs')).to.equal(LIVE)
  })

  it('runs by require where Node may not require ES modules', async () => {
    expect(await lastLine('node', '--no-experimental-require-module', 'require.cjs')).to.equal(LIVE)
  })

  it('has one class of errors in a process that imports and requires', async () => {
    expect(await lastLine('node', '--no-warnings', 'both.cjs')).to.equal('true true')
  })

  const runtimes: [name: string, tool: string, args: string[]][] = [
    ['tsx', 'tsx', ['script.ts']],
    // Without types, which typescript.spec.ts checks by the same compiler and resolution.
    ['ts-node', 'ts-node', ['--transpile-only', 'script.ts']],
    ['Bun by import', 'bun', ['import.mjs']],
    ['Bun by require', 'bun', ['require.cjs']],
    ['Bun, as a handler of Bun.serve', 'bun', ['fetch.mjs']],
    // Without the flag, Deno warns whenever a handler listens to the signal of a request.
    [
      'Deno, as a handler of Deno.serve',
      'deno',
      ['run', '-A', '--unstable-no-legacy-abort', '--node-modules-dir=manual', 'fetch.mjs'],
    ],
    ['Deno by import', 'deno', ['run', '-A', '--node-modules-dir=manual', 'import.mjs']],
    ['Deno by require', 'deno', ['run', '-A', '--node-modules-dir=manual', 'require.cjs']],
  ]
  for (const [name, tool, args] of runtimes) {
    it(`runs under ${name}`, async function () {
      this.timeout(60_000)
      expect(await lastLine(tool, ...args)).to.equal(LIVE)
    })
  }
})
