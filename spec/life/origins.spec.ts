import { expect } from 'chai'
import type { BrowserContext } from 'playwright-core'
import { type Listening, listen } from '../support/http.ts'
import { type App, type AppOptions, startApp } from '../support/life/app.ts'
import { eachContext } from '../support/life/browser.ts'
import { widget } from '../support/life/page.ts'
import { settles, shownIn, Tab } from '../support/life/tab.ts'

const ANN = ['ann 1', 'ann 2']

/** A single-page application in development is served by another port than the server it talks to. */
describe('A page of another port than the server it talks to', function () {
  this.timeout(30_000)
  let context: BrowserContext
  let page: Listening
  let server = ''
  let app: App

  eachContext((fresh) => {
    context = fresh
  })
  beforeEach(async () => {
    page = await listen((_request, response) =>
      response.setHeader('Content-Type', 'text/html').end(widget(server)),
    )
  })
  afterEach(async () => {
    await page.close()
    await app?.stop()
  })

  /** Logs in at the server, and opens the page. */
  async function open(options: AppOptions): Promise<Tab> {
    app = await startApp(options)
    server = app.url.slice(0, -1)
    const tab = await Tab.open(context, app.url)
    await tab.login('ann')
    await tab.shows('ann', ANN)
    await tab.page.goto(`${page.url}/`)
    return tab
  }

  it('is live by the session of its login, where both cors and allowOrigin name its origin', async () => {
    const origin = page.url
    const tab = await open({ cors: { origin, credentials: true }, particle: { allowOrigin: origin } })
    await tab.shows('ann', ANN)
    await app.notes.insert({ _id: 'ann3', owner: 'ann', text: 'ann 3' })
    await tab.shows('ann', [...ANN, 'ann 3'])
    await settles(() => app.server.stats().connections, 1, 'the stream')
    expect(await tab.errors()).to.deep.equal([])
    expect(tab.refusals).to.deep.equal([])
  })

  const SILENT: [string, (origin: string) => AppOptions][] = [
    ['allowOrigin is missing', () => ({})],
    ['cors() lets in all, without their cookies', (origin) => ({ particle: { allowOrigin: origin } })],
    ["allowOrigin is '*'", () => ({ particle: { allowOrigin: '*' } })],
  ]
  for (const [reason, options] of SILENT)
    it(`shows nothing and says why, where ${reason}`, async () => {
      const tab = await open(options(page.url))
      await settles(async () => (await tab.errors()).length > 0, true, 'a word', 12_000)
      expect((await tab.errors()).join(' ')).to.match(/origin|cors|cookie/i)
      expect((await shownIn(tab.page)).notes).to.deep.equal([])
      await settles(() => app.server.stats().connections, 0, 'the stream of the first page')
    })
})
