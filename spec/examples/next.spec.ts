import type { BrowserContext } from 'playwright-core'
import { exampleOrSkip, type RunningExample, startExample } from '../support/examples.ts'
import { eachContext } from '../support/life/browser.ts'

describe('examples/next', function () {
  this.timeout(120_000)
  let example: RunningExample
  let context: BrowserContext

  before(async function () {
    const project = await exampleOrSkip(this, 'next')
    example = await startExample(project, 'next', { NEXT_TELEMETRY_DISABLED: '1' })
  })

  after(() => example?.program.stop())

  eachContext((given) => {
    context = given
  })

  it('shows a change in all pages', async () => {
    const [first, second] = [await context.newPage(), await context.newPage()]
    await first.goto(example.origin, { timeout: 60_000 })
    await second.goto(example.origin)
    await second.getByRole('button', { name: '☐' }).waitFor()
    await first.bringToFront() // Chromium draws the page in front alone
    await first.getByRole('button', { name: '☐' }).click()
    await second.bringToFront()
    await second.getByRole('button', { name: '☑' }).waitFor()
  })
})
