import { expect } from 'chai'
import { MongoClient } from 'mongodb'
import type { BrowserContext, Page } from 'playwright-core'
import { createDatabase, exampleOrSkip, type RunningExample, startExample } from '../support/examples.ts'
import { eachContext } from '../support/life/browser.ts'
import { mongoOrSkip } from '../support/mongod.ts'

describe('examples/helpdesk', function () {
  this.timeout(60_000)
  let example: RunningExample
  let mongo: MongoClient
  let contexts: BrowserContext[] = []
  let ann: Page
  let ben: Page
  let sue: Page

  before(async function () {
    const server = await mongoOrSkip(this)
    const url = await createDatabase(server.url, 'helpdesk', ['users', 'groups', 'tickets'])
    mongo = await MongoClient.connect(url)
    const project = await exampleOrSkip(this, 'helpdesk')
    example = await startExample(project, 'helpdesk', { MONGODB_URL: url })
  })

  after(async () => {
    await example?.program.stop()
    await mongo?.close()
  })

  eachContext(async (_context, browser) => {
    contexts = await Promise.all(['ann', 'ben', 'sue'].map(() => browser.newContext()))
    const pages = await Promise.all(contexts.map((context) => context.newPage()))
    const [first, second, third] = pages
    if (!first || !second || !third) throw new Error('There are three pages')
    ann = await logIn(first, 'ann')
    ben = await logIn(second, 'ben')
    sue = await logIn(third, 'sue')
  })

  afterEach(() => Promise.all(contexts.map((context) => context.close())))

  async function logIn(page: Page, name: string): Promise<Page> {
    await page.goto(example.origin)
    await page.getByLabel('Name').fill(name)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByLabel('Subject').waitFor()
    return page
  }

  async function open(subject: string): Promise<void> {
    await ann.getByLabel('Subject').fill(subject)
    await ann.getByRole('button', { name: 'New ticket' }).click()
    for (const page of [ann, sue]) await articleOf(page, subject).waitFor()
  }

  const articleOf = (page: Page, subject: string) => page.locator('article', { hasText: subject })

  it('shows a note to agents alone, and a comment to all who see the ticket', async () => {
    await open('Printer')
    sue.once('dialog', (dialog) => void dialog.accept('He forgot to plug it in'))
    await articleOf(sue, 'Printer').getByRole('button', { name: 'Note' }).click()
    await sue.getByText('Note of sue: He forgot to plug it in').waitFor()
    sue.once('dialog', (dialog) => void dialog.accept('Is it on?'))
    await articleOf(sue, 'Printer').getByRole('button', { name: 'Comment' }).click()
    await ann.getByText('sue: Is it on?').waitFor()
    expect(await ann.getByText('forgot').count()).to.equal(0)
    expect(await ben.locator('article').count()).to.equal(0)
  })

  it('shows the tickets of a group to who joins it, and takes them from who leaves it', async () => {
    await open('Screen')
    const groups = mongo.db().collection<{ _id: string }>('groups')
    await groups.updateOne({ _id: 'acme' }, { $set: { members: ['ben'] } })
    await articleOf(ben, 'Screen').waitFor()
    await articleOf(ann, 'Screen').waitFor({ state: 'detached' })
    await groups.updateOne({ _id: 'acme' }, { $set: { members: ['ann'] } })
    await articleOf(ann, 'Screen').waitFor()
  })

  it('gives a customer the fields of agents when the customer becomes one', async () => {
    await open('Keyboard')
    const users = mongo.db().collection<{ _id: string }>('users')
    await users.updateOne({ _id: 'ben' }, { $set: { departments: ['support'] } })
    await articleOf(ben, 'Keyboard').getByRole('button', { name: 'Close' }).click()
    await ann.getByText('Keyboard (acme, closed)').waitFor()
    await users.updateOne({ _id: 'ben' }, { $set: { departments: [] } })
    await articleOf(ben, 'Keyboard').waitFor({ state: 'detached' })
  })

  it('moves a ticket out of the list of agents who do not work for its department', async () => {
    await open('Invoice')
    await articleOf(sue, 'Invoice').getByRole('button', { name: 'To billing' }).click()
    await articleOf(sue, 'Invoice').waitFor({ state: 'detached' })
    await articleOf(ann, 'Invoice').waitFor()
  })
})
