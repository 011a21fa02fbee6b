import { join } from 'node:path'
import { expect } from 'chai'
import { ROOT } from '../support/packed.ts'
import { runProgram } from '../support/process.ts'

/** The specs whose servers are bare handlers. They know nothing of how these are served. */
const SCENES = [
  'integration/bodies',
  'integration/diagnostics',
  'integration/moments',
  'integration/sample',
  'integration/sorted',
  'server/http/session-routes',
]
/** Names the tests that use no HTTP: how they are served is nothing to them. */
const LOCAL = ['--invert', '--grep', 'whatever happens, from a source']
const MOCHA = join(ROOT, 'node_modules', 'mocha', 'bin', 'mocha.js')

describe('Through particle/fetch', function () {
  this.timeout(120_000)

  it('the scenes of other specs pass as they do over Node', async () => {
    const specs = SCENES.map((name) => `spec/${name}.spec.ts`)
    const env = { ...process.env, SERVED_BY: 'fetch' }
    const output = await runProgram(process.execPath, [MOCHA, ...LOCAL, ...specs], 115_000, {
      cwd: ROOT,
      env,
    })
    expect(Number(/(\d+) passed/.exec(output)?.[1]), output).to.be.above(60)
  })
})
