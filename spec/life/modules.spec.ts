import { expect } from 'chai'
import type { BrowserContext } from 'playwright-core'
import { importMap } from '../../lib/index.ts'
import { type App, startApp } from '../support/life/app.ts'
import { eachContext } from '../support/life/browser.ts'
import { ELEMENTS, script } from '../support/life/page.ts'

describe('The modules of the client by an import map', function () {
  this.timeout(60_000)
  let context: BrowserContext
  let app: App

  eachContext((fresh) => {
    context = fresh
  })
  afterEach(async () => {
    await app?.stop()
  })

  it('are loaded once, compressed, and by later pages from the cache without a question', async () => {
    const page = await context.newPage()
    app = await startApp({
      helmet: { contentSecurityPolicy: false },
      before: (site) =>
        site.get('/mapped', (_request, response) => {
          const map = JSON.stringify(importMap('/particle'))
          const keep = "import { indexedDB } from 'particle/client/persist'"
          const code = `${keep}${script('', "{ persist: indexedDB('mapped') }", 'particle/client')}`
          response.send(
            `<!doctype html><script type="importmap">${map}</script>${ELEMENTS}<script type="module">${code}</script>`,
          )
        }),
    })
    const encodings: (string | undefined)[] = []
    const network = await context.newCDPSession(page)
    await network.send('Network.enable')
    network.on('Network.responseReceived', ({ response }) => {
      if (!response.url.endsWith('.js')) return
      const encoding = response.headers['content-encoding'] ?? response.headers['Content-Encoding']
      encodings.push(encoding)
    })
    const shown = () => page.waitForFunction(() => document.querySelector('#status')?.textContent !== '')
    await page.goto(new URL('/mapped', app.url).href)
    await shown()
    await page.goto('about:blank')
    await page.goto(new URL('/mapped', app.url).href)
    await shown()
    const asked = app.log.filter((line) => line.includes('.js '))
    // A second copy of the client would be another request, as its address would differ.
    expect(asked.map((line) => line.split(' ').slice(1, 3).join(' ')).sort()).to.deep.equal(
      ['particle/client', 'particle/client/persist'].map((name) => `${importMap().imports[name]} 200`),
    )
    expect(encodings.slice(0, 2)).to.satisfy((all: string[]) =>
      all.every((encoding) => ['br', 'gzip'].includes(encoding)),
    )
  })
})
