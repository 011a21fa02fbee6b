import { expect } from 'chai'
import type { BrowserContext } from 'playwright-core'
import { Client } from '../../lib/client/index.ts'
import { eachVisitOf, type RunningExample } from '../support/examples.ts'

for (const name of ['fastify', 'hono', 'koa', 'nest']) {
  describe(`examples/${name}`, function () {
    this.timeout(30_000)
    let example: RunningExample
    let context: BrowserContext

    eachVisitOf(name, (own, its) => {
      context = own
      example = its
    })

    it('sends the fields that the manifest names', async () => {
      const client = new Client({ url: `${example.origin}/particle` })
      try {
        const { tasks = [] } = await client.ready()
        expect(tasks.map((task) => Object.keys(task))).to.deep.equal([['_id', 'title', 'done']])
      } finally {
        client.close()
      }
    })

    it('shows a change in all pages', async () => {
      const [first, second] = [await context.newPage(), await context.newPage()]
      await first.goto(example.origin)
      await second.goto(example.origin)
      await second.getByRole('button', { name: '☐' }).waitFor()
      await first.bringToFront() // Chromium draws the page in front alone
      await first.getByRole('button').click()
      await second.bringToFront()
      await second.getByRole('button', { name: '☑' }).waitFor()
    })
  })
}
