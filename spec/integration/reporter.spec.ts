import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'

const ROOT = join(import.meta.dirname, '..', '..')

describe("The tests' reporter", () => {
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'particle-reporter-'))
  })

  after(() => rm(folder, { recursive: true, force: true }))

  async function report(
    tests: string,
    environment: Record<string, string>,
  ): Promise<[string[], number | null]> {
    const file = join(folder, 'some.spec.cjs')
    await writeFile(file, `describe('some', () => { ${tests} })`)
    const { CI: _, ...env } = process.env
    const { stdout, status } = spawnSync(
      process.execPath,
      ['node_modules/mocha/bin/mocha.js', '--spec', file],
      {
        cwd: ROOT,
        env: { ...env, ...environment },
        encoding: 'utf8',
      },
    )
    const lines = stdout.split('\n')
    return [lines.filter((line) => /^skipped: |^\d+ passed/.test(line)), status]
  }

  const PASS = "it('passes', () => {});"
  const SKIP = "it.skip('waits', () => {});"

  it('closes with a line of what passed and failed', async () => {
    expect(await report(PASS, { CI: 'true' })).to.deep.equal([['1 passed, 0 failed'], 0])
    const failing = `${PASS} it('fails', () => { throw new Error('no') })`
    expect(await report(failing, {})).to.deep.equal([['1 passed, 1 failed'], 1])
  })

  it('names what was skipped, and goes on', async () => {
    const lines = ['skipped: some waits', '1 passed, 0 failed, 1 skipped']
    expect(await report(PASS + SKIP, {})).to.deep.equal([lines, 0])
  })

  it('fails for what was skipped in CI', async () => {
    const lines = ['skipped: some waits', '1 passed, 1 failed']
    expect(await report(PASS + SKIP, { CI: 'true' })).to.deep.equal([lines, 1])
    const runtime = "it('finds out', function () { this.skip() })"
    expect((await report(PASS + runtime, { CI: '1' }))[1]).to.equal(1)
  })
})
