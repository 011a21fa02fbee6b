import { expect } from 'chai'
import pg from 'pg'
import type { BrowserContext } from 'playwright-core'
import { Client } from '../../lib/client/index.ts'
import { exampleOrSkip, type RunningExample, runScript, startExample } from '../support/examples.ts'
import { eachContext } from '../support/life/browser.ts'
import { freshDatabase, postgresOrSkip, releaseDatabase } from '../support/postgres.ts'

describe('examples/dashboard', function () {
  this.timeout(40_000)
  let example: RunningExample
  let context: BrowserContext
  let pool: pg.Pool
  const ends: (() => Promise<unknown>)[] = []

  before(async function () {
    const server = await postgresOrSkip(this)
    const url = await freshDatabase(server)
    const project = await exampleOrSkip(this, 'dashboard')
    example = await startExample(project, 'dashboard', { DATABASE_URL: url })
    const writer = runScript(project, 'node simulate.js', { DATABASE_URL: url })
    pool = new pg.Pool({ connectionString: url })
    ends.push(
      () => writer.stop(),
      () => example.program.stop(),
      () => releaseDatabase(server, url, pool),
    )
  })

  after(async () => {
    for (const end of ends) await end()
  })

  eachContext((given) => {
    context = given
  })

  it('shows what other programs write, and what the page writes', async () => {
    const page = await context.newPage()
    await page.goto(example.origin)
    await page.getByRole('button', { name: 'Send' }).first().waitFor()
    await pool.query("INSERT INTO orders (product, total, cost) VALUES ('Figs', 12.5, 3)")
    const figs = page.locator('tr', { hasText: 'Figs' })
    await figs.getByRole('button', { name: 'Send' }).click()
    await figs.getByText('sent').waitFor()
    const { rows } = await pool.query("SELECT status FROM orders WHERE product = 'Figs'")
    expect(rows).to.deep.equal([{ status: 'sent' }])
  })

  it('sends no cost', async () => {
    const client = new Client({ url: `${example.origin}/particle` })
    try {
      await client.ready()
      expect(client.manifest?.latest).to.deep.equal({ product: true, status: true, total: true })
      const [order] = client.getSnapshot('latest')
      expect(order).to.have.keys('_id', 'product', 'status', 'total')
    } finally {
      client.close()
    }
  })
})
