import { expect } from 'chai'
import session from 'express-session'
import type { Browser, BrowserContext } from 'playwright-core'
import { memory } from '../../lib/source/memory/index.ts'
import { type App, type AppOptions, startApp } from '../support/life/app.ts'
import { sharedBrowser } from '../support/life/browser.ts'
import type { LoginKind } from '../support/life/logins.ts'
import { settles, Tab } from '../support/life/tab.ts'
import { Wire } from '../support/life/wire.ts'

const ANN = ['ann 1', 'ann 2']
/** Renews a token with each ping. A client takes 2.5 times the heartbeat without an event for the end of its stream. */
const SHORT = { sessionTtl: 3000, heartbeat: 1200 }

/** Ways to log in, and what the page gives to its client. */
const LOGINS: [LoginKind, client?: string][] = [
  ['passport'],
  ['passport', '{ EventSource }'],
  ['express-session'],
  ['cookie-session'],
  ['jwt'],
]

/**
 * A site in a browser of its own, whose lookup reads the request as such lookups do: without one it throws.
 */
interface Site {
  app: App
  context: BrowserContext
  store: session.MemoryStore
  /** How often the lookup was run, and how often without a request. */
  lookups: { withRequest: number; without: number }
}

describe('A login that lasts', function () {
  this.timeout(60_000)
  let browser: Browser
  const sites: Site[] = []

  before(async function () {
    browser = await sharedBrowser(this)
  })
  afterEach(async () => {
    for (const { app, context } of sites.splice(0)) {
      await context.close()
      await app.stop()
    }
  })

  async function start(options: AppOptions = {}): Promise<Site> {
    const store = new session.MemoryStore()
    const lookups = { withRequest: 0, without: 0 }
    const app = await startApp({
      store,
      ...options,
      onLookup: (request) => lookups[request ? 'withRequest' : 'without']++,
    })
    const site = { app, context: await browser.newContext(), store, lookups }
    sites.push(site)
    return site
  }

  /** Notes each status of the page's client from now on. */
  async function watch(tab: Tab): Promise<() => Promise<string[]>> {
    await tab.page.evaluate(() => {
      const status = document.querySelector('#status') as Element
      const seen: string[] = []
      Object.assign(globalThis, { seen })
      new MutationObserver(() => seen.push(status.textContent ?? '')).observe(status, { childList: true })
    })
    return () => tab.page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen)
  }

  it('stays live over 10 renewals, however the application knows its users', async () => {
    const live = async ([login, client = '{}']: [LoginKind, string?]) => {
      const { app, context, lookups } = await start({ login, client, particle: SHORT })
      const tab = await Tab.open(context, app.url)
      await tab.login('ann')
      await tab.shows('ann', ANN)
      const seen = await watch(tab)
      const before = tab.refusals.length
      await settles(() => lookups.withRequest > 10, true, `10 renewals by ${login}`, 30_000)
      await app.notes.insert({ _id: 'ann3', owner: 'ann', text: 'ann 3' })
      await tab.shows('ann', [...ANN, 'ann 3'])
      expect(await seen(), `other statuses on the way, by ${login}`).to.deep.equal([])
      expect(await tab.errors()).to.deep.equal([])
      expect(tab.refusals.slice(before)).to.deep.equal([])
      expect(lookups.without).to.equal(0)
      expect(app.server.stats().connections).to.equal(1)
    }
    await Promise.all(LOGINS.map(live))
  })

  it('is refreshed by server.refresh() and by what it depends on, and stays live', async () => {
    const members = memory().collection<{ _id: string; owner: string }>('members')
    const { app, context, lookups } = await start({
      particle: { dependsOn: [{ collection: members, criteria: { owner: '@user' } }] },
      lookup: async (known) => {
        const rows = await members.find({ owner: known.user }).toArray()
        return { ...known, owners: [known.user, ...rows.map(({ _id }) => _id)] }
      },
      criteria: { owner: { $in: '@owners' } },
    })
    await app.notes.insert({ _id: 'team1', owner: 'team', text: 'team 1' })
    await app.notes.insert({ _id: 'club1', owner: 'club', text: 'club 1' })
    const tab = await Tab.open(context, app.url)
    await tab.login('ann')
    await tab.shows('ann', ANN)
    const seen = await watch(tab)
    await members.insertOne({ _id: 'team', owner: 'ann' })
    await tab.shows('ann', [...ANN, 'team 1'], { alsoOf: ['team'] })
    await members.insertOne({ _id: 'club', owner: 'ann' })
    await members.deleteOne({ _id: 'team' })
    await tab.shows('ann', [...ANN, 'club 1'], { alsoOf: ['team', 'club'] })
    for (let time = 0; time < 5; time++) await app.server.refresh(() => true)
    await app.notes.insert({ _id: 'ann3', owner: 'ann', text: 'ann 3' })
    await tab.shows('ann', [...ANN, 'ann 3', 'club 1'], { alsoOf: ['team', 'club'] })
    expect(await seen(), 'other statuses on the way').to.deep.equal([])
    expect(await tab.errors()).to.deep.equal([])
    expect(lookups.without).to.equal(0)
    expect(app.server.stats().connections).to.equal(1)
  })

  it('that expired in the store is noticed at the next renewal, and another login is not', async () => {
    const { app, context, store, lookups } = await start({ particle: SHORT })
    const tab = await Tab.open(context, app.url)
    await tab.login('ann')
    await tab.shows('ann', ANN)
    const elsewhere = await browser.newContext()
    try {
      const other = await Tab.open(elsewhere, app.url)
      await other.login('ann')
      await other.shows('ann', ANN)
      expect(app.server.stats().connections).to.equal(2)
      const [cookie] = (await context.cookies()).filter(({ name }) => name === 'connect.sid')
      const id = decodeURIComponent(cookie?.value ?? '').replace(/^s:(.*)\..*$/, '$1')
      await new Promise<void>((resolve) => store.destroy(id, () => resolve()))
      await tab.has('refused')
      await settles(() => app.server.stats().connections, 1, 'the stream of the other login')
      await app.notes.insert({ _id: 'ann3', owner: 'ann', text: 'ann 3' })
      await other.shows('ann', [...ANN, 'ann 3'])
      expect(await tab.notes()).to.deep.equal([])
      const before = lookups.withRequest
      await settles(() => lookups.withRequest > before + 3, true, 'renewals of the other login', 20_000)
      await other.shows('ann', [...ANN, 'ann 3'])
      await tab.page.reload()
      await tab.login('ann')
      await tab.shows('ann', [...ANN, 'ann 3'])
    } finally {
      await elsewhere.close()
    }
  })

  it('goes on after a cut of the wire that outlasts its token, without a word to the user', async () => {
    const { app, context, lookups } = await start({ particle: SHORT })
    const wire = await Wire.to(app.port)
    try {
      const tab = await Tab.open(context, wire.url)
      await tab.login('ann')
      await tab.shows('ann', ANN)
      wire.become('cut')
      const cut = Date.now()
      await settles(() => app.server.stats().connections, 0, 'the end of the stream')
      await app.notes.insert({ _id: 'ann3', owner: 'ann', text: 'ann 3' })
      await settles(() => Date.now() - cut > SHORT.sessionTtl, true, 'the end of the token')
      wire.become('whole')
      await tab.shows('ann', [...ANN, 'ann 3'])
      expect(tab.refusals).to.deep.equal([])
      expect(lookups.without).to.equal(0)
    } finally {
      wire.close()
    }
  })
})
