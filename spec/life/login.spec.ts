import { expect } from 'chai'
import type { Browser, BrowserContext } from 'playwright-core'
import { type App, type AppOptions, startApp } from '../support/life/app.ts'
import { eachContext } from '../support/life/browser.ts'
import { type Models, openModels } from '../support/life/mongoose.ts'
import { settles, Tab } from '../support/life/tab.ts'
import { mongoOrSkip } from '../support/mongod.ts'

const ANN = ['ann 1', 'ann 2']
const BEN = ['ben 1', 'ben 2']

const SITES: [string, AppOptions, over?: 'mongoose'][] = [
  ['Express 5, express-session and passport, over mongoose', { express: 5, login: 'passport' }, 'mongoose'],
  ['Express 5, express-session and passport', { express: 5, login: 'passport' }],
  ['Express 4, express-session and passport', { express: 4, login: 'passport' }],
  ['Express 5 and express-session', { express: 5, login: 'express-session' }],
  ['Express 5 and cookie-session', { express: 5, login: 'cookie-session' }],
  ['Express 4 and a JWT in an httpOnly cookie', { express: 4, login: 'jwt' }],
]

describe('A login', function () {
  this.timeout(40_000)
  let browser: Browser
  let context: BrowserContext
  let app: App
  let models: Models | undefined

  eachContext((fresh, shared) => {
    context = fresh
    browser = shared
  })
  afterEach(async () => {
    await app?.stop()
    await models?.close()
    models = undefined
  })

  /** Starts a site, over models of mongoose where that is asked for. */
  async function start(context: Mocha.Context, options: AppOptions, over?: 'mongoose'): Promise<App> {
    if (over !== 'mongoose') return await startApp(options)
    const { url } = await mongoOrSkip(context)
    models = await openModels(url)
    return await startApp({ ...options, notes: models.notes, users: models.users })
  }

  for (const [name, options, over] of SITES) {
    it(`shows each user's own notes, one user after another in one browser: ${name}`, async function () {
      app = await start(this, options, over)
      const first = await Tab.open(context, app.url)
      expect(app.server.stats().connections).to.equal(0)
      await first.login('ann')
      await first.shows('ann', ANN)
      const second = await Tab.open(context, app.url, 'pages/2')
      await second.shows('ann', ANN)
      expect(app.server.stats().connections).to.equal(2)
      await app.notes.insert({ _id: 'ann3', owner: 'ann', text: 'ann 3' })
      await first.shows('ann', [...ANN, 'ann 3'])
      await second.shows('ann', [...ANN, 'ann 3'])

      await first.logout()
      await settles(() => app.server.stats().connections, 0, 'the streams of the login that ended')
      await second.has('refused')
      await first.login('ben')
      await first.shows('ben', BEN)
      await second.has('refused')
      await app.notes.insert({ _id: 'ann4', owner: 'ann', text: 'ann 4' })
      await app.notes.insert({ _id: 'ben3', owner: 'ben', text: 'ben 3' })
      await first.shows('ben', [...BEN, 'ben 3'])
      expect(await second.notes()).not.to.include('ann 4')
      await second.page.reload()
      await second.shows('ben', [...BEN, 'ben 3'])
      expect(app.server.stats().connections).to.equal(2)
      await second.page.close()
      await settles(() => app.server.stats().connections, 1, 'the streams of the open tabs')
    })

    // A cookie that is the login itself holds until it expires, whoever has it.
    if (options.login === 'cookie-session' || options.login === 'jwt') continue

    it(`is over with the logout, for whoever kept its cookies, and is logged once for each stream: ${name}`, async function () {
      app = await start(this, options, over)
      const tab = await Tab.open(context, app.url)
      await tab.login('ann')
      await tab.shows('ann', ANN)
      const other = await Tab.open(context, app.url)
      await other.shows('ann', ANN)
      const kept = await context.cookies()
      await tab.logout()
      await other.has('refused')
      await settles(() => streamsIn(app.log), 2, 'the log of both streams')

      const thief = await browser.newContext()
      try {
        await thief.addCookies(kept)
        const late = await Tab.open(thief, app.url)
        expect(await late.page.locator('#user').count(), 'pages for one who is logged out').to.equal(0)
        const answer = await late.page.request.post(`${app.url}particle/handshake`, {
          data: { identity: null },
        })
        expect(answer.status()).to.equal(401)
      } finally {
        await thief.close()
      }
      expect(streamsIn(app.log)).to.equal(2)
    })
  }
})

function streamsIn(log: string[]): number {
  return log.filter((line) => line.includes('/particle/stream')).length
}
