import { expect } from 'chai'
import type { Browser, BrowserContext } from 'playwright-core'
import { type App, type Notes, notesInMemory, startApp, USERS } from '../support/life/app.ts'
import { sharedBrowser } from '../support/life/browser.ts'
import type { Users } from '../support/life/logins.ts'
import { openModels } from '../support/life/mongoose.ts'
import { settles, Tab } from '../support/life/tab.ts'
import { mongoOrSkip } from '../support/mongod.ts'

const ROWS = 2000
/**
 * A page that draws its whole list at each notification takes milliseconds for each: it must not for each
 * row.
 */
const MAX_CALLS = ROWS / 20

for (const kind of ['memory', 'mongoose'] as const)
  describe(`A write of ${ROWS} rows, over ${kind}`, function () {
    this.timeout(60_000)
    let browser: Browser
    let context: BrowserContext
    let app: App
    let notes: Notes
    let users: Users = USERS
    let close: () => Promise<void> = async () => {}

    before(async function () {
      browser = await sharedBrowser(this)
      if (kind === 'memory') notes = await notesInMemory()
      else {
        const { url } = await mongoOrSkip(this)
        const models = await openModels(url)
        ;({ notes, users, close } = models)
      }
      app = await startApp({ notes, users })
      context = await browser.newContext()
    })
    after(async () => {
      await app?.stop()
      await close()
    })

    it('is drawn at once by a page that draws all of its list each time it is told of something', async () => {
      const tab = await Tab.open(context, app.url)
      await tab.login('ann')
      await tab.shows('ann', ['ann 1', 'ann 2'])
      const calls = () => tab.page.evaluate(() => (globalThis as unknown as { calls: number }).calls)
      const shown = () => tab.page.locator('#notes li').count()
      const drawn = (text: string) => tab.page.locator('#notes li').filter({ hasText: text }).count()

      const before = await calls()
      const rows = Array.from({ length: ROWS - 2 }, (_, index) => ({
        _id: `of ann ${index}`,
        owner: 'ann',
        text: `row ${index}`,
      }))
      await notes.insertMany(rows)
      await settles(shown, ROWS, 'the rows', 15_000)
      const between = await calls()
      expect(between - before, 'notifications of the insertion').to.be.below(MAX_CALLS)

      await notes.rewrite('ann', 'written')
      await settles(() => drawn('written'), ROWS, 'the written rows', 15_000)
      expect((await calls()) - between, 'notifications of the update').to.be.below(MAX_CALLS)
      await settles(() => tab.status(), 'ready', 'the status')
      expect(await tab.errors()).to.deep.equal([])
      expect(app.server.stats().connections).to.equal(1)
    })

    it('of another user is not told to this one', async () => {
      const tab = await Tab.open(context, app.url)
      const before = await tab.page.evaluate(() => (globalThis as unknown as { calls: number }).calls)
      await tab.has('ready')
      await notes.rewrite('ben', 'of ben')
      await notes.insert({ _id: 'ann9999', owner: 'ann', text: 'the last' })
      await settles(() => tab.notes().then((all) => all.includes('the last')), true, 'the note')
      expect(await tab.notes()).not.to.include('of ben')
      expect(before).to.be.below(MAX_CALLS)
    })
  })
