import { writeFile } from 'node:fs/promises'
import { expect } from 'chai'
import express from 'express'
import helmet from 'helmet'
import type { Browser, Page } from 'playwright-core'
import { Server } from '../../lib/server/server.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually, type Listening, listen } from '../support/http.ts'
import { sharedBrowser } from '../support/life/browser.ts'
import { LocalClient } from '../support/local.ts'

/** A text that runs script wherever it is read as HTML, and sets `owned`. */
const HOSTILE = '</script><img src=x onerror="owned=1"><script>owned=1</script>\u202e'

/** Lists what is wrong with a page for people with a keyboard or a screen reader. */
function faultsOfPage(): string[] {
  const faults: string[] = []
  if (!document.documentElement.lang) faults.push('no language')
  if (!document.title) faults.push('no title')
  for (const name of ['h1', 'main', 'header'])
    if (document.querySelectorAll(name).length !== 1) faults.push(`not one ${name}`)
  const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id)
  if (new Set(ids).size < ids.length) faults.push('an id twice')
  for (const field of document.querySelectorAll('input'))
    if (field.labels?.length !== 1) faults.push('a field without a label')
  for (const button of document.querySelectorAll('button')) {
    if (!button.textContent && !button.ariaLabel) faults.push('a button without a name')
    if (button.getBoundingClientRect().height < 24) faults.push(`a small button: ${button.textContent}`)
  }
  for (const table of document.querySelectorAll('table')) {
    if (!table.ariaLabel) faults.push('a table without a name')
    if (table.querySelectorAll('th:not([scope])').length > 0) faults.push('a head without a scope')
  }
  for (const region of document.querySelectorAll('.scroll, .log'))
    if (!region.ariaLabel || (region as HTMLElement).tabIndex !== 0) faults.push('a region no key can scroll')
  if (document.documentElement.scrollWidth > innerWidth) faults.push('the page is wider than the window')
  return faults
}

describe('The inspector, in Chromium', function () {
  this.timeout(60_000)
  let browser: Browser
  let page: Page
  let server: Server
  let listening: Listening
  let client: LocalClient
  const mistakes: string[] = []
  const users = () => store.collection('users')
  let store = memory()

  before(async function () {
    browser = await sharedBrowser(this)
  })
  beforeEach(async () => {
    store = memory()
    await users().insertOne({ _id: 'u1', salary: 5000 })
    server = new Server({
      identityLookup: (identity) => identity,
      dataSources: { users: { manifest: true, collection: users() } },
      inspector: ({ url }) => new URL(url ?? '', 'http://a').searchParams.get('key') === 'open',
    })
    listening = await listen(express().use(helmet(), server.middleware()))
    client = await LocalClient.connect(server, { name: HOSTILE })
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    mistakes.length = 0
    page.on('console', (message) => message.type() === 'error' && mistakes.push(message.text()))
    page.on('pageerror', ({ message }) => mistakes.push(message))
  })
  afterEach(async () => {
    await page.close()
    client.stop()
    await server.disconnect()
    await listening.close()
  })

  const open = () => page.goto(`${listening.url}/particle/inspect?key=open`)
  const log = () => page.getByRole('list', { name: 'Events of the connection' })

  it('shows the connections and the log, and keeps them current', async () => {
    await open()
    const connections = page.getByRole('table', { name: 'Connections' }).locator('tbody tr')
    await connections.first().waitFor()
    expect(await connections.count()).to.equal(1)
    expect(await connections.first().textContent())
      .to.include('users')
      .and.include('ready')
    const second = await LocalClient.connect(server, { name: 'bob' })
    await connections.nth(1).waitFor()
    second.stop()
    await connections.nth(1).waitFor({ state: 'detached' })
    expect(await page.getByRole('status').first().textContent()).to.equal('live')
    expect(await page.getByRole('table', { name: 'Sources' }).textContent()).to.include('memory')
    expect(mistakes).to.deep.equal([])
  })

  it('tails a connection in words, and runs nothing that a document holds', async () => {
    await open()
    await page.getByRole('button', { name: /^Tail stream/ }).click()
    await page.getByText(/^Stream \d+: /).waitFor()
    await users().updateOne({ _id: 'u1' }, { $set: { salary: 6000, [`f${'<b>'}`]: HOSTILE } })
    await users().insertOne({ _id: HOSTILE, name: HOSTILE })
    await log().getByText('users "u1": salary changed: 6000').waitFor()
    await log().getByText('onerror').first().waitFor()
    await log().getByText('data', { exact: true }).first().click()
    expect(await page.evaluate(() => Reflect.get(globalThis, 'owned'))).to.equal(undefined)
    expect(await page.locator('img, .log script, .log b b').count()).to.equal(0)
    expect(await log().textContent()).to.include('</script><img src=x')
    expect(mistakes).to.deep.equal([])
  })

  it('serves people with a keyboard, a screen reader, or a phone', async () => {
    await open()
    await page.getByRole('button', { name: /^Tail stream/ }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: /^Tail stream/, pressed: true }).waitFor()
    // The button is pressed before the server has begun to tail.
    await page.getByText(/^Stream \d+: /).waitFor()
    await users().updateOne({ _id: 'u1' }, { $set: { note: 'x'.repeat(3_000) } })
    await log().getByText('note changed').waitFor()
    expect(await page.evaluate(faultsOfPage)).to.deep.equal([])
    if (process.env.SCREENSHOTS)
      await writeFile('/tmp/inspector.png', await page.screenshot({ fullPage: true }))
    await page.setViewportSize({ width: 390, height: 844 })
    expect(await page.evaluate(faultsOfPage)).to.deep.equal([])
    expect(mistakes).to.deep.equal([])
  })

  it('says so when the guard refuses, and shows nothing more', async () => {
    await open()
    await page.getByText('live').waitFor()
    await page.evaluate(() => history.replaceState(null, '', '?key=closed'))
    await page.getByRole('button', { name: /^Tail stream/ }).click()
    await page.getByText('refused: load the page again').waitFor()
    await eventually(() => mistakes.length > 0, 'the refusal')
    expect(await log().locator('li').count()).to.equal(0)
  })
})
