import type { Browser, Page } from 'playwright-core'
import { sharedBrowser } from '../support/life/browser.ts'
import { settles } from '../support/life/tab.ts'
import { buildPage, Site } from './site.ts'

/** The rows of tests whose point is their number, and of the others. */
export const ROWS = 2000
export const FEW = 20

/** A page of one framework in Chromium, and its site: both are new for each test of a suite. */
export class Visit {
  site!: Site
  page!: Page
  /** The errors and warnings of the page. */
  problems: string[] = []
  #script = ''

  /** Adds the hooks of a suite. */
  constructor(framework: string) {
    let browser: Browser
    before(async function (this: Mocha.Context) {
      browser = await sharedBrowser(this)
    })
    before(async () => {
      this.#script = await buildPage(framework)
    })
    beforeEach(async () => {
      this.site = new Site()
      this.page = await browser.newPage()
      this.problems = []
      this.page.on('pageerror', (error) => this.problems.push(error.message))
      this.page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type()) && !/favicon/.test(message.location().url))
          this.problems.push(message.text())
      })
    })
    afterEach(async () => {
      await this.page.close()
      await this.site.stop()
    })
  }

  /** Opens the page of a site with so many users, and waits until it shows them. */
  async open({ code = this.#script, rows = FEW } = {}): Promise<void> {
    await this.site.fill(rows)
    await this.page.goto(await this.site.start(code))
    await this.shows('h1', 'ready')
    await settles(() => this.page.locator('#users li').count(), rows, 'all rows')
  }

  async text(selector: string): Promise<string> {
    return (await this.page.locator(selector).allTextContents()).join('|').replace(/\s+/g, ' ').trim()
  }

  async shows(selector: string, wanted: string): Promise<void> {
    await settles(() => this.text(selector), wanted, selector, 10_000)
  }
}
