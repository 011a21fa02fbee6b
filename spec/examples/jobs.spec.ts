import { expect } from 'chai'
import type { BrowserContext } from 'playwright-core'
import { createClient } from 'redis'
import { Client } from '../../lib/client/index.ts'
import { exampleOrSkip, type RunningExample, runScript, startExample } from '../support/examples.ts'
import { eachContext } from '../support/life/browser.ts'
import { redisOrSkip, startRedis } from '../support/redis.ts'

const READ_ONLY =
  'on >look ~* &* +@read +@connection +eval +evalsha +script|load +psubscribe +subscribe +unsubscribe +punsubscribe +info +config|get'

describe('examples/jobs', function () {
  this.timeout(40_000)
  let example: RunningExample
  let context: BrowserContext
  const ends: (() => Promise<unknown>)[] = []

  before(async function () {
    const redis = await redisOrSkip(this, () => startRedis('--notify-keyspace-events', 'KA'))
    ends.push(() => redis.stop())
    const admin = await createClient({ url: redis.url }).connect()
    await admin.sendCommand(['ACL', 'SETUSER', 'monitor', ...READ_ONLY.split(' ')])
    await admin.close()
    const project = await exampleOrSkip(this, 'jobs')
    const work = runScript(project, 'node work.js', { REDIS_URL: redis.url })
    ends.unshift(() => work.stop())
    const url = redis.url.replace('redis://', 'redis://monitor:look@')
    example = await startExample(project, 'jobs', { REDIS_URL: url })
    ends.unshift(() => example.program.stop())
  })

  after(async () => {
    for (const end of ends) await end()
  })

  eachContext((given) => {
    context = given
  })

  it('shows jobs as they wait, run and end, though it may only read', async () => {
    const page = await context.newPage()
    await page.goto(example.origin)
    const first = page.locator('tbody tr').last()
    await first.waitFor()
    await page.getByRole('cell', { name: 'active' }).first().waitFor()
    await page.getByRole('cell', { name: 'completed' }).first().waitFor()
  })

  it('sends neither the data of a job nor a key that is no job', async () => {
    const client = new Client({ url: `${example.origin}/particle` })
    try {
      const { jobs = [] } = await client.ready()
      expect(jobs.length).to.be.above(0)
      for (const job of jobs) {
        expect(job._id).to.match(/^\d+$/)
        expect(job).to.not.have.any.keys('data', 'opts', 'returnvalue')
      }
    } finally {
      client.close()
    }
  })
})
