import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { BOUNDS } from '../../bench/guard/bounds.ts'
import { judge, ratioOf } from '../../bench/guard/judge.ts'

const run = promisify(execFile)

describe('The guard of the benchmarks', function () {
  this.timeout(620_000)

  it('fails 25% above its bound, and on a figure that is missing', () => {
    for (const bound of Object.values(BOUNDS)) {
      expect(judge(bound.expected, bound)).to.equal('ok')
      expect(judge(bound.expected * 1.25, bound)).to.equal('SLOWER')
    }
    expect(judge(ratioOf([]), BOUNDS.one)).to.equal('SLOWER')
  })

  it('asks for a lower bound where a figure is faster than on an idle machine', () => {
    for (const bound of Object.values(BOUNDS)) {
      expect(judge(bound.idle, bound)).to.equal('ok')
      expect(judge(bound.idle * 0.8, bound)).to.equal('faster: lower the bound')
    }
  })

  it('does not fail where the machine is slow for some rounds, or for one side of a few', () => {
    const { expected } = BOUNDS.one
    const slow = { particle: 9 * expected, floor: 9 }
    const disturbed = { particle: 9 * expected, floor: 1 }
    const quiet = { particle: expected, floor: 1 }
    expect(judge(ratioOf([quiet, slow, disturbed, slow, quiet, quiet, quiet]), BOUNDS.one)).to.equal('ok')
  })

  it('tells each figure, within its bound on Node 20', async function () {
    // The guard measures a slow figure three times itself.
    this.retries(0)
    const guard = ['--import', 'tsx', 'bench/guard/run.ts', '--quick']
    const options = { timeout: 600_000 }
    const { stdout } = await run(process.execPath, guard, options).catch((error: { stdout: string }) => error)
    // Another version of V8 has other ratios.
    if (process.version.startsWith('v20.')) expect(stdout).to.not.include('SLOWER')
    for (const { title } of Object.values(BOUNDS)) expect(stdout).to.include(`| ${title} |`)
  })

  it('prints the ratios of several runs, and their medians', async () => {
    const guard = ['--import', 'tsx', 'bench/guard/run.ts', '--quick', '--only', 'bytes', '--runs', '2']
    const { stdout } = await run(process.execPath, guard)
    expect(stdout).to.match(/\| `bytes` \| ([\d.]+) \| \1 \| \1 \| 0 \| 0 \|/)
    expect(stdout).to.match(/\n {2}bytes: [\d.]+\n/)
  })
})
