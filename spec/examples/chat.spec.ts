import { expect } from 'chai'
import type { BrowserContext, Page } from 'playwright-core'
import { exampleOrSkip, type RunningExample, startExample } from '../support/examples.ts'
import { eachContext } from '../support/life/browser.ts'

describe('examples/chat', function () {
  this.timeout(30_000)
  let example: RunningExample
  let ann: Page
  let ben: Page
  let other: BrowserContext

  before(async function () {
    example = await startExample(await exampleOrSkip(this, 'chat'), 'chat')
  })

  after(() => example?.program.stop())

  eachContext(async (context, browser) => {
    other = await browser.newContext()
    ann = await logIn(context, 'Ann')
    ben = await logIn(other, 'Ben')
  })

  afterEach(() => other?.close())

  async function logIn(context: BrowserContext, name: string): Promise<Page> {
    const page = await context.newPage()
    await page.goto(example.origin)
    await page.getByLabel('Your name').fill(name)
    await page.getByRole('button', { name: 'Log in' }).click()
    return page
  }

  const enter = (page: Page, room: string) => page.getByRole('button', { name: room }).click()

  async function say(page: Page, text: string): Promise<void> {
    await page.getByLabel('Message').fill(text)
    await page.getByRole('button', { name: 'Send' }).click()
  }

  it('shows the messages of the room on the screen, and of no other room', async () => {
    await enter(ann, 'lobby')
    await enter(ben, 'lobby')
    await say(ann, 'Hello Ben')
    await ben.getByText('Ann: Hello Ben').waitFor()
    await enter(ben, 'garden')
    await ben.getByRole('heading', { name: 'garden' }).waitFor()
    await say(ann, 'Still here?')
    await say(ben, 'Nice flowers')
    await ben.getByText('Ben: Nice flowers').waitFor()
    expect(await ben.locator('li').allTextContents()).to.deep.equal(['Ben: Nice flowers'])
  })

  it('takes the messages away from who leaves', async () => {
    await enter(ann, 'lobby')
    await say(ann, 'A secret')
    await ann.getByText('Ann: A secret').waitFor()
    await ann.getByRole('button', { name: 'Leave' }).click()
    await ann.locator('section').waitFor({ state: 'hidden' })
    expect(await ann.locator('li').count()).to.equal(0)
  })

  it('asks for older messages', async () => {
    await enter(ann, 'garden')
    for (let number = 1; number <= 25; number += 1) {
      await say(ann, `number ${number}`)
      await ann.getByText(`Ann: number ${number}`, { exact: true }).waitFor()
    }
    expect(await ann.locator('li').count()).to.equal(20)
    await ann.getByRole('button', { name: 'Older' }).click()
    await ann.getByText('Ann: number 1', { exact: true }).waitFor()
  })
})
