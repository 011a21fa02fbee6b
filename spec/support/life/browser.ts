import type { Browser, BrowserContext, BrowserContextOptions } from 'playwright-core'
import { chromiumOrSkip, type Kind } from '../chromium.ts'

const shared = new Map<Kind, Browser>()

// At the top of a spec file this is a hook of the root suite.
if (typeof after === 'function')
  after(async () => void (await Promise.all([...shared.values()].map((browser) => browser.close()))))

/** For a `before` hook: the browser that all specs of this process share. Its contexts have nothing in common. */
export async function sharedBrowser(context: Mocha.Context, kind: Kind = 'shell'): Promise<Browser> {
  const known = shared.get(kind)
  if (known?.isConnected()) return known
  const browser = await chromiumOrSkip(context, kind)
  shared.set(kind, browser)
  return browser
}

/** Gives each test of a suite a context of its own in the shared browser, which `take` is told of first. */
export function eachContext(
  take: (context: BrowserContext, browser: Browser) => unknown,
  { kind, ...options }: BrowserContextOptions & { kind?: Kind } = {},
): void {
  let browser: Browser
  let context: BrowserContext
  before(async function () {
    browser = await sharedBrowser(this, kind)
  })
  beforeEach(async () => {
    context = await browser.newContext(options)
    await take(context, browser)
  })
  afterEach(async () => await context?.close())
}
