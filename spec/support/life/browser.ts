import type { Browser, BrowserContext, BrowserContextOptions } from 'playwright-core'
import { AS_USERS_HAVE_IT, chromiumOrSkip } from '../chromium.ts'

let shared: Browser | undefined

// At the top of a spec file this is a hook of the root suite.
if (typeof after === 'function') after(async () => await shared?.close())

/** For a `before` hook: the browser that all specs of this process share. Its contexts have nothing in common. */
export async function sharedBrowser(context: Mocha.Context): Promise<Browser> {
  if (!shared?.isConnected()) shared = await chromiumOrSkip(context, AS_USERS_HAVE_IT)
  return shared
}

/** Gives each test of a suite a context of its own in the shared browser, which `take` is told of first. */
export function eachContext(
  take: (context: BrowserContext, browser: Browser) => unknown,
  options: BrowserContextOptions = {},
): void {
  let browser: Browser
  let context: BrowserContext
  before(async function () {
    browser = await sharedBrowser(this)
  })
  beforeEach(async () => {
    context = await browser.newContext(options)
    await take(context, browser)
  })
  afterEach(async () => await context?.close())
}
