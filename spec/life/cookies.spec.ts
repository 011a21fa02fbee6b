import { expect } from 'chai'
import type { Express } from 'express'
import type { BrowserContext, Frame } from 'playwright-core'
import { chromiumWithPreferences } from '../support/chromium.ts'
import { listen } from '../support/http.ts'
import { type App, type AppOptions, startApp } from '../support/life/app.ts'
import { widget } from '../support/life/page.ts'
import { settles, shownIn, Tab } from '../support/life/tab.ts'

const ANN = ['ann 1', 'ann 2']
/** Names for this machine which no browser trusts as it trusts localhost: plain http there is plain http. */
const NAMES = ['--host-resolver-rules=MAP *.test 127.0.0.1']

/** The user is named by a ticket of the page, as in widgets and pages for those who take no cookies. */
const WIDGET: AppOptions = {
  helmet: { frameguard: false, contentSecurityPolicy: false },
  before: addWidget,
  particle: {
    identityLookup: (identity: { ticket?: string } | null) =>
      identity?.ticket === 'of ann' ? { user: 'ann' } : null,
  },
}

/** A page without a login: it shows the notes of the user that its ticket names. */
function addWidget(app: Express): void {
  app.get('/widget', (request, response) => {
    const { server = '', native } = request.query
    const options = `{ identity: { ticket: 'of ann' }${native ? ', EventSource' : ''} }`
    response.send(widget(String(server), options))
  })
}

const BROWSERS: [string, object][] = [
  ['that takes no cookies', { profile: { default_content_setting_values: { cookies: 2 } } }],
  [
    'that blocks third-party cookies',
    { profile: { cookie_controls_mode: 1, block_third_party_cookies: true } },
  ],
]

for (const [name, preferences] of BROWSERS)
  describe(`A browser ${name}`, function () {
    this.timeout(40_000)
    let context: BrowserContext
    const closers: (() => Promise<unknown>)[] = []

    before(async function () {
      context = await chromiumWithPreferences(this, preferences, { args: NAMES })
    })
    afterEach(async () => {
      for (const page of context.pages().slice(1)) await page.close()
      for (const close of closers.splice(0).reverse()) await close()
    })
    after(async () => await context?.close())

    async function start(options: AppOptions): Promise<App> {
      const app = await startApp(options)
      // The browser lives on, with the connections that it opened in advance.
      closers.push(() => app.stop('disconnect', 100))
      return app
    }

    /** Waits until a page or frame is live, and follows a write; it must not take more than one stream. */
    async function isLive(app: App, page: Frame, tab: Tab): Promise<void> {
      const ready = (notes: string[]) =>
        settles(() => shownIn(page), { user: 'ann', status: 'ready', notes }, 'the widget')
      await ready(ANN)
      await app.notes.insert({ _id: 'ann3', owner: 'ann', text: 'ann 3' })
      await ready([...ANN, 'ann 3'])
      expect(await page.locator('#errors li').allTextContents()).to.deep.equal([])
      expect(tab.refusals).to.deep.equal([])
      expect(app.server.stats().connections).to.equal(1)
    }

    /** A page of another site that shows this address in a frame. */
    async function framing(address: string, attributes = ''): Promise<[Tab, Frame]> {
      const page = await listen((_request, response) =>
        response
          .setHeader('Content-Type', 'text/html')
          .end(`<!doctype html><iframe src="${address}" ${attributes}></iframe>`),
      )
      closers.push(() => page.close())
      const tab = await Tab.open(context, `http://localhost:${page.port}/`)
      await settles(() => tab.page.frames().length, 2, 'the frame')
      return [tab, tab.page.frames()[1] ?? tab.page.mainFrame()]
    }

    it('is live on a page of the same site', async () => {
      const app = await start(WIDGET)
      const tab = await Tab.open(context, app.url, 'widget')
      await isLive(app, tab.page.mainFrame(), tab)
    })

    it('is live by its own EventSource, whose streams name nothing that is good again', async () => {
      const app = await start(WIDGET)
      const tab = await Tab.open(context, app.url, 'widget?native=1')
      await isLive(app, tab.page.mainFrame(), tab)
      const addresses = (
        await tab.page.evaluate(() => performance.getEntriesByType('resource').map((e) => e.name))
      )
        .concat(app.log.map((line) => new URL(line.split(' ')[1] ?? '', app.url).href))
        .filter((address) => new URL(address).searchParams.has('token'))
      const other = await fetch(addresses[0] ?? `${app.url}particle/stream`)
      expect(other.status, 'the address of a log, of another browser').to.equal(401)
    })

    it('is live in a frame of a page of another site', async () => {
      const app = await start(WIDGET)
      const [tab, frame] = await framing(`${app.url}widget`)
      await isLive(app, frame, tab)
    })

    it('is live in a frame of a page of another site by its own EventSource', async () => {
      const app = await start(WIDGET)
      const [tab, frame] = await framing(`${app.url}widget?native=1`)
      await isLive(app, frame, tab)
    })

    it("is live in a sandboxed frame, whose origin is none's", async () => {
      const app = await start({ ...WIDGET, particle: { ...WIDGET.particle, allowOrigin: '*' } })
      const [tab, frame] = await framing(`${app.url}widget`, 'sandbox="allow-scripts"')
      await isLive(app, frame, tab)
    })

    for (const allowed of ['its origin', '*'])
      it(`is live on a page of another site by plain http, where the server allows ${allowed}`, async () => {
        const pages = await start(WIDGET)
        const origin = `http://pages.test:${pages.port}`
        const allowOrigin = allowed === '*' ? '*' : [origin]
        const app = await start({ ...WIDGET, particle: { ...WIDGET.particle, allowOrigin } })
        const server = `http://data.test:${app.port}`
        const tab = await Tab.open(context, `${origin}/`, `widget?server=${server}`)
        await isLive(app, tab.page.mainFrame(), tab)
      })

    if (name !== 'that takes no cookies')
      it('logs in and is live on an intranet, by plain http and a name of its own', async () => {
        const helmet = { contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } }
        const app = await start({ helmet })
        const tab = await Tab.open(context, `http://intranet.test:${app.port}/`)
        await tab.login('ann')
        await tab.shows('ann', ANN)
        await tab.page.reload()
        await tab.shows('ann', ANN)
        await settles(() => app.server.stats().connections, 1, 'the stream')
        await tab.logout()
        await settles(() => app.server.stats().connections, 0, 'the end of the stream')
      })
  })
