import { expect } from 'chai'
import type { BrowserContext } from 'playwright-core'
import { type App, type AppOptions, startApp } from '../support/life/app.ts'
import { eachContext } from '../support/life/browser.ts'
import { settles, Tab } from '../support/life/tab.ts'

const ANN = ['ann 1', 'ann 2']
const PAGES = Array.from({ length: 8 }, (_, index) => index + 1)
/**
 * A page that waits for a connection takes a minute; an ordinary one 100 ms. In ms, with room for a busy
 * machine.
 */
const SOON = 4000

describe('A walk over the whole site', function () {
  this.timeout(60_000)
  let context: BrowserContext
  let app: App

  eachContext(
    (fresh) => {
      context = fresh
    },
    { kind: 'whole' },
  )
  afterEach(async () => {
    await app?.stop()
  })

  async function start(options: AppOptions = {}): Promise<Tab> {
    app = await startApp(options)
    const tab = await Tab.open(context, app.url)
    // Tells for each showing of a page whether it came from the back/forward cache.
    await context.addInitScript(() => {
      addEventListener('pageshow', ({ persisted }) => Object.assign(globalThis, { persisted }))
    })
    await tab.login('ann')
    await tab.shows('ann', ANN)
    return tab
  }

  const isRestored = (tab: Tab) =>
    tab.page.evaluate(() => (globalThis as unknown as { persisted: boolean }).persisted)

  it('by its links, and back and forward again, loads each page at once and leaves one stream', async () => {
    const tab = await start()
    const notes = [...ANN]
    const write = async () => {
      const text = `ann ${notes.length + 1}`
      notes.push(text)
      await app.notes.insert({ _id: text, owner: 'ann', text })
    }
    for (const page of PAGES) {
      await tab.page.getByRole('link', { name: String(page), exact: true }).click({ timeout: SOON })
      await tab.page.getByRole('heading', { name: `Page ${page}`, exact: true }).waitFor({ timeout: SOON })
      if (page % 3 === 0) await write()
      await tab.shows('ann', notes, { patience: SOON })
      await settles(() => app.server.stats().connections, 1, `the streams at page ${page}`)
    }
    let restored = 0
    for (const page of PAGES.slice(0, -1).reverse()) {
      await write()
      await tab.page.goBack({ timeout: SOON, waitUntil: 'commit' })
      await tab.page.getByRole('heading', { name: `Page ${page}`, exact: true }).waitFor({ timeout: SOON })
      await tab.shows('ann', notes, { patience: SOON })
      restored += Number(await isRestored(tab))
      await settles(() => app.server.stats().connections, 1, `the streams back at page ${page}`)
    }
    expect(restored, 'pages from the back/forward cache').to.be.at.least(1)
    for (let steps = 0; steps < 3; steps++) {
      await write()
      await tab.page.goForward({ timeout: SOON, waitUntil: 'commit' })
      await tab.shows('ann', notes, { patience: SOON })
    }
    expect(await tab.errors()).to.deep.equal([])
    expect(tab.refusals).to.deep.equal([])
    await settles(() => app.server.stats().connections, 1, 'the streams in the end')
  })

  it('goes back to a page of a login that has ended, which shows nothing new of it', async () => {
    const tab = await start()
    await tab.page.getByRole('link', { name: '2', exact: true }).click()
    await tab.shows('ann', ANN)
    await tab.logout()
    await tab.login('ben')
    await tab.shows('ben', ['ben 1', 'ben 2'])
    await app.notes.insert({ _id: 'ann3', owner: 'ann', text: 'ann 3' })
    await app.notes.insert({ _id: 'ben3', owner: 'ben', text: 'ben 3' })
    for (let steps = 0; steps < 3; steps++) {
      await tab.page.goBack({ waitUntil: 'commit' })
      if ((await tab.page.locator('#user').count()) === 0) continue // the form
      await settles(async () => ['ready', 'refused'].includes(await tab.status()), true, 'an answer')
      expect(await tab.notes()).not.to.include('ann 3')
    }
    await tab.page.reload()
    await tab.shows('ben', ['ben 1', 'ben 2', 'ben 3'])
    await settles(() => app.server.stats().connections, 1, 'the stream of the page that is shown')
  })
})
