import { expect } from 'chai'
import type { BrowserContext } from 'playwright-core'
import { eachVisitOf, type RunningExample } from '../support/examples.ts'

for (const name of ['react', 'svelte', 'vue']) {
  describe(`examples/${name}`, function () {
    this.timeout(60_000)
    let example: RunningExample
    let context: BrowserContext

    eachVisitOf(name, (own, its) => {
      context = own
      example = its
    })

    it('shows in all pages what one of them writes', async () => {
      const [first, second] = [await context.newPage(), await context.newPage()]
      for (const page of [first, second]) {
        await page.goto(example.origin)
        await page.getByText('The connection is ready.').waitFor()
      }
      // Chromium draws the page in front alone.
      await first.bringToFront()
      await first.getByLabel('New task').fill('Bake bread')
      await first.getByRole('button', { name: 'Add' }).click()
      await first.getByRole('heading', { name: '4 open tasks' }).waitFor()
      await second.bringToFront()
      await second.getByRole('heading', { name: '4 open tasks' }).waitFor()
      await second.getByLabel('Buy milk').click()
      await first.bringToFront()
      await first.getByRole('heading', { name: '3 open tasks' }).waitFor()
      const titles = (await first.getByRole('listitem').allTextContents()).map((title) => title.trim())
      expect(titles).to.deep.equal(['Bake bread', 'Buy milk', 'Call Ann', 'Water the plants'])
      expect(await first.getByLabel('Buy milk').isChecked()).to.equal(true)
      expect(await first.getByLabel('Call Ann').isChecked()).to.equal(false)
    })
  })
}
