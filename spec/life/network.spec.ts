import { expect } from 'chai'
import type { Browser, BrowserContext } from 'playwright-core'
import { type App, startApp } from '../support/life/app.ts'
import { eachContext } from '../support/life/browser.ts'
import { settles, Tab } from '../support/life/tab.ts'
import { Wire } from '../support/life/wire.ts'

const ANN = ['ann 1', 'ann 2']
/**
 * Within two seconds a client knows whether its stream lives; another one opens in less than a second. In ms.
 */
const SOON = 4000

/** With the usual heartbeat of 15 s, so that nothing but the page's own doubt can find a dead stream soon. */
describe('A laptop on the road', function () {
  this.timeout(60_000)
  let browser: Browser
  let context: BrowserContext
  let app: App
  let wire: Wire
  let tab: Tab
  let count = 2

  eachContext((fresh, shared) => {
    context = fresh
    browser = shared
  })
  beforeEach(async () => {
    count = 2
    await context.clock.install() // so that a page's clocks can leap; else they go as usual
    app = await startApp()
    wire = await Wire.to(app.port)
    tab = await Tab.open(context, wire.url)
    await tab.login('ann')
    await tab.shows('ann', ANN)
  })
  afterEach(async () => {
    wire.close()
    await app.stop()
  })

  /** Writes a note, and gives all that the page is to show then. */
  async function write(): Promise<string[]> {
    count++
    await app.notes.insert({ _id: `ann${count}`, owner: 'ann', text: `ann ${count}` })
    return Array.from({ length: count }, (_, index) => `ann ${index + 1}`)
  }

  it('that loses its network and finds another is current as soon as it is online', async () => {
    await context.setOffline(true)
    wire.become('black hole')
    const notes = await write()
    expect(await tab.notes()).to.deep.equal(ANN)
    wire.become('whole')
    await context.setOffline(false)
    await tab.shows('ann', notes, { patience: SOON })
    await settles(() => app.server.stats().connections > 0, true, 'the stream')
    expect(tab.refusals).to.deep.equal([])
  })

  it('whose connections are cut, and refused for a while, is current when they are taken again', async () => {
    for (let time = 0; time < 3; time++) {
      wire.become('cut')
      await tab.has('reconnecting')
      const notes = await write()
      wire.become('whole')
      await tab.shows('ann', notes)
      await settles(() => app.server.stats().connections, 1, 'the streams')
    }
    expect(tab.refusals).to.deep.equal([])
  })

  it('that slept, with its processes stopped and its connections dead, is current soon after it woke', async () => {
    const pids = await processesOf(browser)
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    let notes: string[]
    try {
      wire.become('black hole')
      notes = await write()
      wire.become('whole')
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT')
    }
    await tab.page.clock.fastForward('08:00:00') // all of them leap by a night
    await tab.shows('ann', notes, { patience: SOON })
    expect(tab.refusals).to.deep.equal([])
  })

  it('whose renderer was stopped for a moment goes on with what it missed', async () => {
    const pids = await processesOf(browser, 'renderer')
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    let notes: string[] = []
    try {
      for (let writes = 0; writes < 50; writes++) notes = await write()
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT')
    }
    await tab.shows('ann', notes, { patience: SOON })
    expect(app.server.stats().connections).to.equal(1)
  })

  it('whose tab was hidden and frozen by the browser is current when it is seen again', async () => {
    const devtools = await context.newCDPSession(tab.page)
    for (let time = 0; time < 2; time++) {
      await become(tab, 'hidden')
      await devtools.send('Page.setWebLifecycleState', { state: 'frozen' })
      wire.become('black hole')
      const notes = await write()
      wire.become('whole')
      await devtools.send('Page.setWebLifecycleState', { state: 'active' })
      await tab.page.clock.fastForward('10:00')
      await become(tab, 'visible')
      await tab.shows('ann', notes, { patience: SOON })
    }
    expect(tab.refusals).to.deep.equal([])
  })

  it('whose tab was hidden for a while is current when it is seen again', async () => {
    await become(tab, 'hidden')
    wire.become('black hole')
    const notes = await write()
    wire.become('whole')
    await tab.page.clock.fastForward('00:40')
    await become(tab, 'visible')
    await tab.shows('ann', notes, { patience: SOON })
    expect(tab.refusals).to.deep.equal([])
  })
})

/**
 * The operating system's numbers of Chromium's processes; of a type, or of all but the one that runs the
 * others.
 */
async function processesOf(browser: Browser, type?: string): Promise<number[]> {
  const devtools = await browser.newBrowserCDPSession()
  const { processInfo } = await devtools.send('SystemInfo.getProcessInfo')
  await devtools.detach()
  const chosen = processInfo.filter((info) => (type ? info.type === type : info.type !== 'browser'))
  return chosen.map(({ id }) => id)
}

/**
 * Tells the page that it is hidden or seen: Playwright keeps all pages visible, also those of minimized
 * windows.
 */
async function become(tab: Tab, state: DocumentVisibilityState): Promise<void> {
  await tab.page.evaluate((value) => {
    Object.defineProperty(document, 'visibilityState', { value, configurable: true })
    Object.defineProperty(document, 'hidden', { value: value === 'hidden', configurable: true })
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))
  }, state)
}
