import { expect } from 'chai'
import type { BrowserContext } from 'playwright-core'
import type { Client } from '../../lib/client/index.ts'
import { type App, startApp } from '../support/life/app.ts'
import { eachContext } from '../support/life/browser.ts'
import { startSecureNginx } from '../support/life/secure.ts'
import { settles, Tab } from '../support/life/tab.ts'

const ANN = ['ann 1', 'ann 2']
/** All that a path may keep in a browser, in bytes. */
const MOST = 4096

describe('Page loads without end', function () {
  this.timeout(180_000)
  let context: BrowserContext
  const closers: (() => Promise<unknown>)[] = []

  eachContext(
    (fresh) => {
      context = fresh
    },
    { ignoreHTTPSErrors: true },
  )
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
  })

  async function start(options: Parameters<typeof startApp>[0] = {}): Promise<App> {
    const app = await startApp(options)
    closers.push(() => app.stop())
    return app
  }

  /** Loads the page of a tab so many times, every third time again before the page is live. */
  async function load(tab: Tab, times: number): Promise<void> {
    for (let time = 1; time <= times; time++) {
      if (time % 2) await tab.go(`pages/${1 + (time % 12)}`)
      else await tab.page.reload()
      if (time % 3 || time === times) await tab.shows('ann', ANN)
    }
  }

  it('40 in eight tabs over HTTP/2, behind nginx with its default buffers, keep the cookies small and leave eight streams', async function () {
    const app = await start({ trustProxy: true })
    // After 1,000 requests, nginx's default, it ends a connection by GOAWAY: in Chromium a request that takes the
    // connection at that moment fails with ERR_FAILED, and with it the load of a page.
    const nginx = await startSecureNginx(
      (port) => `server {
        listen 127.0.0.1:${port} ssl http2;
        keepalive_requests 100000;
        location / {
          proxy_pass http://127.0.0.1:${app.port};
          proxy_http_version 1.1;
          proxy_set_header Connection "";
          proxy_set_header Host $http_host;
          proxy_set_header X-Forwarded-Proto $scheme;
        }
      }`,
    )
    if ('missing' in nginx) return this.skip()
    closers.push(nginx.stop)
    const first = await Tab.open(context, nginx.url)
    await first.login('ann')
    const tabs = [first]
    while (tabs.length < 8) tabs.push(await Tab.open(context, nginx.url))
    await Promise.all(tabs.map((tab) => load(tab, 5)))
    expect(tabs.flatMap(({ refusals }) => refusals)).to.deep.equal([])
    expect((await Promise.all(tabs.map((tab) => tab.errors()))).flat()).to.deep.equal([])
    expect(await first.cookieBytes()).to.be.below(MOST)
    expect(app.longestCookie()).to.be.below(MOST)
    await settles(() => app.server.stats().connections, 8, 'the streams of eight tabs')
  })

  it('one tab that is reloaded 40 times over HTTP/1.1 is never refused', async () => {
    const app = await start()
    const tab = await Tab.open(context, app.url)
    await tab.login('ann')
    await load(tab, 40)
    expect(tab.refusals).to.deep.equal([])
    expect(app.longestCookie()).to.be.below(MOST)
    await settles(() => app.server.stats().connections, 1, 'the stream of one tab')
  })

  it('identities with lists of 2,000 ids show what they list, and keep the cookies small', async () => {
    const ids = Array.from({ length: 2000 }, (_, index) => `ann${index}`)
    const app = await start({
      particle: { identityLookup: (_identity, _done, request) => lookUp(request) },
    })
    const lookUp = (request: unknown) => {
      const { user } = request as { user?: { name: string } }
      return user ? { user: user.name, ids } : null
    }
    const tab = await Tab.open(context, app.url)
    await tab.login('ann')
    await load(tab, 12)
    await app.notes.insert({ _id: 'ann77', owner: 'ann', text: 'ann 77' })
    await tab.shows('ann', [...ANN, 'ann 77'])
    expect(tab.refusals).to.deep.equal([])
    expect(app.longestCookie()).to.be.below(MOST)
  })

  it('two sites on two ports of one host, and two clients in one page, do not take cookies from each other', async () => {
    const apps = [await start({ login: 'jwt' }), await start({ login: 'jwt' })]
    const tabs: Tab[] = []
    for (const app of apps) {
      const tab = await Tab.open(context, app.url)
      if (tabs.length === 0) await tab.login('ann')
      tabs.push(tab)
    }
    for (let time = 0; time < 3; time++) await Promise.all(tabs.map((tab) => load(tab, 5)))
    for (const [index, app] of apps.entries()) {
      await app.notes.insert({ _id: 'ann3', owner: 'ann', text: `ann 3 of ${index}` })
      await tabs[index]?.shows('ann', [...ANN, `ann 3 of ${index}`])
      expect(tabs[index]?.refusals).to.deep.equal([])
      expect(app.longestCookie()).to.be.below(MOST)
      await settles(() => app.server.stats().connections, 1, 'the stream of one tab')
      await tabs[index]?.page.evaluate(async () => {
        const { client } = globalThis as unknown as { client: Client }
        const Another = client.constructor as typeof Client
        await new Another({ url: '/particle', identity: { of: 'the same page' } }).ready()
      })
      expect(app.server.stats().connections).to.equal(2)
    }
  })
})
