import { expect } from 'chai'
import express from 'express'
import helmet from 'helmet'
import type { Browser, Page } from 'playwright-core'
import { Server } from '../../lib/server/server.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { type Listening, listen } from '../support/http.ts'
import { sharedBrowser } from '../support/life/browser.ts'

const HOSTILE = '<img src=x onerror="owned=1">'

const PAGE =
  '<!doctype html><html lang="en"><title>Page</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>'
const SCRIPT = `
import { Client } from '/particle/client.js'
import { inspect } from '/particle/client/inspect.js'
globalThis.errors = []
globalThis.client = new Client({ onError: ({ message }) => errors.push(message) })
globalThis.remove = inspect(client)
try { inspect(client, { parnet: document.body }) } catch ({ message }) { globalThis.refusal = message }
`

describe('The panel of inspect(client), in Chromium', function () {
  this.timeout(60_000)
  let browser: Browser
  let page: Page
  let server: Server
  let listening: Listening
  let store = memory()
  const mistakes: string[] = []

  before(async function () {
    browser = await sharedBrowser(this)
  })
  beforeEach(async () => {
    store = memory()
    await store.collection('users').insertOne({ _id: 'u1', salary: 5000 })
    server = new Server({
      dataSources: {
        users: { manifest: true, collection: store.collection('users') },
      },
    })
    const app = express().use(helmet(), server.middleware())
    app.get('/', (_request, response) => void response.type('html').send(PAGE))
    app.get('/page.js', (_request, response) => void response.type('js').send(SCRIPT))
    listening = await listen(app)
    page = await browser.newPage({ viewport: { width: 390, height: 844 } })
    mistakes.length = 0
    page.on('console', (message) => message.type() === 'error' && mistakes.push(message.text()))
    page.on('pageerror', ({ message }) => mistakes.push(message))
    await page.goto(listening.url)
  })
  afterEach(async () => {
    await page.close()
    await server.disconnect()
    await listening.close()
  })

  const panel = () => page.getByRole('complementary', { name: 'Particle' })

  it('shows the status, the roots and the last events in words, under a strict policy', async () => {
    await panel().getByText('Particle: ready').waitFor()
    await panel().getByText('1 document', { exact: true }).waitFor()
    await store.collection('users').updateOne({ _id: 'u1' }, { $set: { salary: 6000 } })
    await store.collection('users').insertOne({ _id: HOSTILE })
    await panel().getByText('users "u1": salary changed: 6000').waitFor()
    await panel().getByText('2 documents').waitFor()
    await panel()
      .getByText(/onerror/)
      .first()
      .waitFor()
    expect(await panel().locator('img').count()).to.equal(0)
    expect(await page.evaluate(() => Reflect.get(globalThis, 'owned'))).to.equal(undefined)
    const box = await panel().boundingBox()
    expect(box && box.x >= 0 && box.x + box.width <= 390).to.equal(true)
    expect(mistakes).to.deep.equal([])
  })

  it('refuses an unknown option, and suggests the known name', async () => {
    expect(await page.evaluate(() => Reflect.get(globalThis, 'refusal'))).to.equal(
      'inspect(client, options): option "parnet" is not known; "parent" was perhaps meant',
    )
  })

  it('follows the status, folds, and goes for good', async () => {
    await panel().getByText('Particle: ready').waitFor()
    await page.evaluate(() => Reflect.get(globalThis, 'client').pause())
    await panel().getByText('Particle: paused').waitFor()
    await panel().getByRole('button', { name: 'Hide' }).click()
    await panel().getByText('rate').waitFor({ state: 'hidden' })
    await panel().getByRole('button', { name: 'Show' }).click()
    await panel().getByText('rate', { exact: true }).waitFor()
    await panel().getByRole('button', { name: 'Close' }).click()
    await panel().waitFor({ state: 'detached' })
    expect(await page.evaluate(() => Reflect.get(globalThis, 'errors'))).to.deep.equal([])
  })
})
