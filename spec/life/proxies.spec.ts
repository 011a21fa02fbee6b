import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import express from 'express'
import express4 from 'express4'
import { createProxyMiddleware } from 'http-proxy-middleware'
import type { BrowserContext } from 'playwright-core'
import { createServer } from 'vite'
import { listen } from '../support/http.ts'
import { type App, type AppOptions, startApp } from '../support/life/app.ts'
import { eachContext } from '../support/life/browser.ts'
import { startInterloper } from '../support/life/interloper.ts'
import { ELEMENTS, script } from '../support/life/page.ts'
import { startSecureNginx } from '../support/life/secure.ts'
import { settles, Tab } from '../support/life/tab.ts'
import { startNginx } from '../support/nginx.ts'
import { freePort } from '../support/process.ts'

const ANN = ['ann 1', 'ann 2']
const ROOT = join(import.meta.dirname, '..', '..')

describe('A proxy between the page and the server', function () {
  this.timeout(60_000)
  let context: BrowserContext
  const closers: (() => unknown)[] = []

  eachContext(
    (fresh) => {
      context = fresh
    },
    { ignoreHTTPSErrors: true },
  )
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
  })

  async function start(options: AppOptions = {}): Promise<App> {
    const app = await startApp(options)
    closers.push(() => app.stop())
    return app
  }

  /** Logs in, follows a write, loads another page, and logs out. */
  async function visit(app: App, url: string, site = url): Promise<void> {
    const tab = await Tab.open(context, url)
    await tab.login('ann')
    if (site !== url) await tab.page.goto(site)
    await tab.shows('ann', ANN)
    await app.notes.insert({ _id: 'ann3', owner: 'ann', text: 'ann 3' })
    await tab.shows('ann', [...ANN, 'ann 3'])
    await tab.page.reload()
    await tab.shows('ann', [...ANN, 'ann 3'])
    await settles(() => app.server.stats().connections, 1, 'the streams')
    expect(await tab.errors()).to.deep.equal([])
    expect(tab.refusals).to.deep.equal([])
    await tab.page.goto(url)
    await tab.logout()
    await settles(() => app.server.stats().connections, 0, 'the end of the stream')
  }

  it('that answers by itself for a while, in HTML, is waited out, and told of once', async () => {
    const app = await start()
    const outage = async (status: number) => {
      const interloper = await startInterloper(app.port)
      closers.push(() => interloper.close())
      const tab = await Tab.open(context, interloper.url)
      await tab.shows('ann', ANN)
      interloper.answer(status)
      await settles(() => interloper.answered() >= 3, true, `tries while ${status} is answered`, 15_000)
      expect(await tab.status(), `while ${status} is answered`).to.equal('reconnecting')
      interloper.pass()
      // The portal lets the user through, and the system tells the browser; else the next try may be seconds
      // away.
      await tab.page.evaluate(() => dispatchEvent(new Event('online')))
      return { status, tab }
    }
    const first = await Tab.open(context, app.url)
    await first.login('ann')
    await first.shows('ann', ANN)
    const outages = await Promise.all([200, 400, 401, 403, 404, 502].map(outage))
    await app.notes.insert({ _id: 'ann3', owner: 'ann', text: 'ann 3' })
    await Promise.all(
      outages.map(async ({ status, tab }) => {
        await tab.shows('ann', [...ANN, 'ann 3'])
        const told = (await tab.errors()).filter((error) => error.includes('text/html'))
        // A 502 for a moment is every deploy's: it is told where it lasts for more tries than these.
        expect(told.length, `errors while ${status} was answered`).to.be.within(status === 502 ? 0 : 1, 1)
        for (const error of told) expect(error).to.include(`answered ${status}`)
      }),
    )
    await settles(() => app.server.stats().connections, 7, 'the streams of seven tabs')
  })

  it('that strips a prefix, as nginx does by a slash after proxy_pass, is passed', async function () {
    const app = await start({ base: '/api' })
    const port = await freePort()
    const nginx = await startNginx(
      `upstream app { server 127.0.0.1:${app.port}; }
      server { listen 127.0.0.1:${port}; location /api/ { proxy_pass http://app/; } }`,
      port,
    )
    if ('missing' in nginx) return this.skip()
    closers.push(nginx.stop)
    await visit(app, `http://127.0.0.1:${port}/api/`)
  })

  for (const [name, make] of [
    ['Express 5', express],
    ['Express 4', express4],
  ] as const)
    it(`that strips a prefix by http-proxy-middleware, in ${name}, is passed`, async () => {
      const app = await start({ base: '/api', express: name === 'Express 4' ? 4 : 5 })
      const target = app.url.replace(/\/$/, '')
      const front = await listen(make().use('/api', createProxyMiddleware({ target, changeOrigin: true })))
      closers.push(() => front.close())
      await visit(app, `${front.url}/api/`)
    })

  it("that is vite's of a single-page application in development is passed", async () => {
    const app = await start({ base: '/api' })
    const root = await mkdtemp(join(tmpdir(), 'particle-vite-'))
    closers.push(() => rm(root, { recursive: true, force: true }))
    const index = `<!doctype html>${ELEMENTS}<script type="module" src="/main.js"></script>`
    await writeFile(join(root, 'index.html'), index)
    await writeFile(join(root, 'main.js'), script('/api', '{}', 'particle/client'))
    const vite = await createServer({
      root,
      configFile: false,
      logLevel: 'silent',
      cacheDir: join(root, 'cache'),
      resolve: { alias: { 'particle/client': join(ROOT, 'dist', 'client', 'index.js') } },
      server: {
        host: '127.0.0.1',
        port: await freePort(),
        watch: null,
        fs: { allow: [root, ROOT] },
        proxy: { '/api': { target: app.url, rewrite: (path) => path.replace(/^\/api/, '') } },
      },
    })
    await vite.listen()
    closers.push(() => vite.close())
    const [url = ''] = vite.resolvedUrls?.local ?? []
    await visit(app, `${url}api/`, url)
  })

  for (const version of [5, 4] as const)
    it(`that ends TLS, before an application of Express ${version} under a path of its own and behind trust proxy, is passed`, async function () {
      const app = await start({ express: version, mount: '/shop', trustProxy: true })
      const nginx = await startSecureNginx(
        (port) => `server {
          listen 127.0.0.1:${port} ssl http2;
          location /shop/ {
            proxy_pass http://127.0.0.1:${app.port};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-For $remote_addr;
          }
        }`,
      )
      if ('missing' in nginx) return this.skip()
      closers.push(nginx.stop)
      await visit(app, `${nginx.url}shop/`)
    })
})
