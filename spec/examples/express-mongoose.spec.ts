import { expect } from 'chai'
import type { BrowserContext, Page } from 'playwright-core'
import { createDatabase, exampleOrSkip, type RunningExample, startExample } from '../support/examples.ts'
import { eachContext } from '../support/life/browser.ts'
import { mongoOrSkip } from '../support/mongod.ts'

describe('examples/express-mongoose', function () {
  this.timeout(40_000)
  let example: RunningExample
  let context: BrowserContext
  let other: BrowserContext

  before(async function () {
    const { url } = await mongoOrSkip(this)
    const project = await exampleOrSkip(this, 'express-mongoose')
    const database = await createDatabase(url, 'tasks', ['users', 'tasks'])
    example = await startExample(project, 'express-mongoose', { MONGODB_URL: database })
  })

  after(() => example?.program.stop())

  eachContext(async (given, browser) => {
    context = given
    other = await browser.newContext()
  })

  afterEach(() => other?.close())

  async function logIn(page: Page, name: string): Promise<void> {
    await page.goto(example.origin)
    await page.getByLabel('Name').fill(name)
    await page.getByLabel('Password').fill(`${name}-secret`)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('button', { name: `Log out ${name}` }).waitFor()
  }

  async function add(page: Page, title: string): Promise<void> {
    await page.getByLabel('New task').fill(title)
    await page.getByRole('button', { name: 'Add' }).click()
  }

  it('shows a user the own tasks and the shared ones', async () => {
    const [ann, ben] = [await context.newPage(), await other.newPage()]
    await logIn(ann, 'ann')
    await logIn(ben, 'ben')
    await add(ann, 'Water the plants')
    await add(ben, 'Feed the cat')
    await ben.getByText('Feed the cat').waitFor()
    await ann.getByText('Water the plants').waitFor()
    expect(await ben.locator('li').count()).to.equal(1)
    await ann.getByRole('button', { name: 'Share with ben' }).first().click()
    await ben.getByText('Water the plants (ann)').waitFor()
    await ann.getByLabel('Water the plants').check()
    await ben.locator('input:checked').waitFor()
  })

  it('has the tasks in the HTML of the page', async () => {
    const page = await context.newPage()
    await logIn(page, 'ann')
    await add(page, 'Sweep <the> yard')
    await page.getByText('Sweep <the> yard').waitFor()
    const html = await (await page.request.get(example.origin)).text()
    expect(html).to.include('Sweep &lt;the&gt; yard (ann)</li>')
    expect(html).to.include('Sweep \\u003cthe\\u003e yard')
  })

  it('sends all tabs of a login to the login page when one of them logs out', async () => {
    const [first, second] = [await context.newPage(), await context.newPage()]
    await logIn(first, 'ann')
    await second.goto(example.origin)
    await second.getByRole('button', { name: 'Log out ann' }).waitFor()
    await first.getByRole('button', { name: 'Log out ann' }).click()
    await second.waitForURL('**/login')
  })
})
