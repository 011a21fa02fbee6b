import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect } from 'chai'
import { ROOT } from '../support/packed.ts'

/** The specs whose servers are bare handlers. They know nothing of how these are served. */
const SCENES = [
  'integration/bodies',
  'integration/diagnostics',
  'integration/moments',
  'integration/sample',
  'integration/sorted',
  'server/http/session-routes',
]
const MOCHA = join(ROOT, 'node_modules', 'mocha', 'bin', 'mocha.js')

describe('Through particle/fetch', function () {
  this.timeout(120_000)

  it('the scenes of other specs pass as they do over Node', async () => {
    const specs = SCENES.map((name) => `spec/${name}.spec.ts`)
    const child = spawn(process.execPath, [MOCHA, ...specs], {
      cwd: ROOT,
      env: { ...process.env, SERVED_BY: 'fetch' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    const [code] = await once(child, 'close')
    expect(code, output).to.equal(0)
    expect(Number(/(\d+) passed/.exec(output)?.[1]), output).to.be.above(60)
  })
})
