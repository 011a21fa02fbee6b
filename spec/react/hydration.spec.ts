import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import type { Browser } from 'playwright-core'
import { createElement } from 'react'
import { renderToPipeableStream, renderToString } from 'react-dom/server'
import { Client, type ClientOptions } from '../../lib/client/index.ts'
import * as hooks from '../../lib/react/index.ts'
import { makeApp } from '../bindings/apps/hydration/app.ts'
import { buildPage, Site } from '../bindings/site.ts'
import { sharedBrowser } from '../support/life/browser.ts'
import { settles } from '../support/life/tab.ts'

describe('react on a server', function () {
  this.timeout(60_000)
  let site: Site
  let client: Client | undefined

  beforeEach(() => {
    site = new Site()
  })
  afterEach(async () => {
    client?.close()
    await site.stop()
  })

  const appOf = (url: string, options: ClientOptions = {}) => {
    client = new Client({ url: `${url}/particle`, identity: 'ann', onError: () => {}, ...options })
    return createElement(makeApp(hooks, client))
  }

  it('renders what a new client has, which opens no connection where it is closed in the same turn', async () => {
    const url = await site.start('')
    const html = renderToString(appOf(url))
    client?.close()
    await new Promise((resolve) => setImmediate(resolve))
    expect(html).to.include('<h1>connecting</h1><p id="users">0 users</p><ol data-status="waiting"></ol>')
    expect(html).to.include('waits')
    expect(site.requests).to.deep.equal([])
  })

  it('renders the documents that useReady has waited for', async () => {
    const stream = renderToPipeableStream(appOf(await site.start('')), {
      onAllReady: () => stream.pipe(output),
    })
    const output = new PassThrough()
    const chunks: Buffer[] = []
    output.on('data', (chunk: Buffer) => chunks.push(chunk))
    await once(output, 'end')
    expect(Buffer.concat(chunks).toString()).to.include('10 messages')
  })

  describe('and in Chromium', () => {
    let browser: Browser

    before(async function () {
      browser = await sharedBrowser(this)
    })

    /** Renders the page by a client that opens nothing, and lets Chromium take it over. */
    async function takeOver(
      mode: string,
      users: number,
      initial?: ClientOptions['initial'],
    ): Promise<{ html: string; status: string | null }> {
      const script = await buildPage('hydration', mode)
      const page = await browser.newPage()
      const said: string[] = []
      page.on('console', (message) => message.type() === 'error' && said.push(message.text()))
      // The HTML names no address: the page's client finds its own.
      const html = renderToString(appOf('http://127.0.0.1:1', initial && { initial }))
      client?.close()
      await page.goto(await site.start(script, html, initial))
      const text = (selector: string) => page.locator(selector).textContent()
      await settles(() => text('#users'), `${users} users`, 'the users')
      await settles(() => text('#whole'), '10 messages', 'the room of the Suspense')
      await settles(() => page.locator('ol li').count(), 10, 'the other room')
      const status = await text('h1')
      const problems = await page.evaluate(() => (globalThis as unknown as { problems: string[] }).problems)
      // renderToString leaves each Suspense to the page, and React says so. It is the one problem.
      expect(problems).to.have.length(1)
      expect(problems[0]).to.match(/error #419|does not support Suspense/)
      expect(said.filter((line) => !line.includes('404'))).to.deep.equal([])
      await page.close()
      return { html, status }
    }

    for (const mode of ['production', 'development']) {
      it(`takes over the HTML without a difference, then shows the client's data (${mode})`, async () => {
        const { html, status } = await takeOver(mode, 2000)
        expect(html).to.include('<h1>connecting</h1><p id="users">0 users</p>')
        expect(status).to.equal('ready')
      })

      it(`takes over the HTML of server.snapshot(), also where the data has changed since (${mode})`, async () => {
        await site.fill()
        const initial = await site.server.snapshot('ann')
        await site.users.insertOne({ _id: 2000, name: 'User 2000', n: 0 })
        const { html, status } = await takeOver(mode, 2001, initial)
        expect(html).to.include('<h1>stale</h1><p id="users">2000 users</p>')
        expect(status).to.equal('ready')
      })
    }
  })
})
