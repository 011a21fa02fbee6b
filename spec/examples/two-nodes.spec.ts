import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { BrowserContext } from 'playwright-core'
import { findOrInstall } from '../support/debian.ts'
import { exampleOrSkip, type RunningExample, startExample } from '../support/examples.ts'
import { eventually } from '../support/http.ts'
import { eachContext } from '../support/life/browser.ts'
import { ROOT } from '../support/packed.ts'
import { isAlive } from '../support/process.ts'
import { redisOrSkip } from '../support/redis.ts'

const FOLDER = join(ROOT, 'examples', 'two-nodes')

describe('examples/two-nodes', function () {
  this.timeout(60_000)
  let example: RunningExample
  let context: BrowserContext

  before(async function () {
    const { url } = await redisOrSkip(this)
    if (findOrInstall(['nginx'], 'nginx-light') === undefined) {
      if (process.env.CI) throw new Error('There is no nginx: install the package nginx-light.')
      this.skip()
    }
    const project = await exampleOrSkip(this, 'two-nodes')
    example = await startExample(project, 'two-nodes', { REDIS_URL: url })
  })

  after(() => example?.program.stop())

  eachContext((given) => {
    context = given
  })

  it('goes on with the other node when one of them stops', async () => {
    const [first, second] = [await context.newPage(), await context.newPage()]
    for (const page of [first, second]) {
      await page.goto(example.origin)
      await page.getByText('The connection is ready').waitFor()
    }
    const [, pid] = /node1 is the process (\d+)/.exec(example.program.output()) ?? []
    process.kill(Number(pid), 'SIGTERM')
    await eventually(() => !isAlive(Number(pid)), 'the node ends', 10_000)
    await first.bringToFront() // Chromium draws the page in front alone
    await first.getByRole('button', { name: '☐' }).click()
    await first.getByRole('button', { name: '☑' }).waitFor()
    await first.getByText('went to node2').waitFor()
    await second.bringToFront()
    await second.getByRole('button', { name: '☑' }).waitFor()
  })

  it('has the same nodes, each with the secret, in compose.yaml and nginx.conf', () => {
    const compose = readFileSync(join(FOLDER, 'compose.yaml'), 'utf8')
    const services = compose.split(/^ {2}(?=\w+:\n)/m).slice(1)
    const nodes = services.filter((service) => service.includes('<<: *node'))
    const upstreams = readFileSync(join(FOLDER, 'nginx.conf'), 'utf8').matchAll(/^ +server (\w+):3000/gm)
    expect(nodes.map((node) => node.split(':')[0])).to.deep.equal([...upstreams].map(([, name]) => name))
    const secrets = nodes.map((node) => /PARTICLE_SECRET: ([^}]+})/.exec(node)?.[1])
    expect(secrets).to.deep.equal([secrets[0], secrets[0]])
    expect(secrets[0]).to.be.a('string')
    expect(services.at(-1)).to.include('./nginx.conf:/etc/nginx/conf.d/default.conf')
  })
})
