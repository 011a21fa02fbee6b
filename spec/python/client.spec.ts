import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { problemsOf, runPack } from '../support/conformance/run.ts'
import { ROOT } from '../support/packed.ts'
import { FOLDER, type Python, pythonOrSkip } from '../support/python-client.ts'

describe('The Python client', function () {
  this.timeout(300_000)
  let python: Python

  before(async function () {
    if (!existsSync(join(ROOT, 'dist', 'index.js'))) throw new Error('Build first: npm run build')
    python = await pythonOrSkip(this)
  })

  it('passes its own tests, with scripted servers and with this one', async () => {
    await python.run('pytest', '-q', '-p', 'no:cacheprovider')
  })

  it('passes the conformance pack', async () => {
    const client = `cd "${FOLDER}" && "${python.path}" -m particle_client.conformance`
    const { code, outcomes } = await runPack({ client })
    expect(problemsOf(outcomes)).to.deep.equal([])
    expect(code).to.equal(0)
    expect(outcomes.length).to.be.above(90)
  })

  it('is typed, and has no findings of its linter', async () => {
    await python.run('mypy', '--cache-dir', join(tmpdir(), 'particle-client-mypy'))
    await python.run('ruff', 'check', '--no-cache', '.')
    await python.run('ruff', 'format', '--no-cache', '--check', '.')
  })
})
