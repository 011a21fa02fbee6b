import { expect } from 'chai'
import type { BrowserContext, Frame, Page } from 'playwright-core'

/** Who a tab's page is made for, and what it shows. */
export interface Shown {
  user: string
  status: string
  notes: string[]
}

/** A tab of the site, in the words of its users. */
export class Tab {
  readonly page: Page
  /** Answers of a status from 400 on, other than a first favicon's. */
  readonly refusals: string[] = []
  readonly #url: string

  private constructor(page: Page, url: string) {
    this.page = page
    this.#url = url
    page.setDefaultTimeout(15_000)
    page.on('response', (response) => {
      if (response.status() >= 400 && !response.url().endsWith('/favicon.ico'))
        this.refusals.push(`${response.request().method()} ${response.url()} ${response.status()}`)
    })
  }

  /** Opens a page of the site in a new tab. `url` is the site's, with a slash at its end. */
  static async open(context: BrowserContext, url: string, path = ''): Promise<Tab> {
    const tab = new Tab(await context.newPage(), url)
    await tab.go(path)
    return tab
  }

  async go(path = ''): Promise<void> {
    await this.page.goto(this.#url + path)
  }

  async login(name: string): Promise<void> {
    await this.page.getByLabel('Name').fill(name)
    await this.page.getByLabel('Password').fill(`${name}-secret`)
    await this.page.getByRole('button', { name: 'Log in' }).click()
  }

  async logout(): Promise<void> {
    await this.page.getByRole('button', { name: 'Log out' }).click()
    await this.page.getByRole('button', { name: 'Log in' }).waitFor()
  }

  /** Waits until the page is live for this user and shows these notes; it must never have shown another's. */
  async shows(
    user: string,
    notes: readonly string[],
    { alsoOf = [], patience }: { alsoOf?: readonly string[]; patience?: number } = {},
  ): Promise<void> {
    const wanted = { user, status: 'ready', notes: [...notes].sort() }
    await settles(() => shownIn(this.page), wanted, `the page of ${user}`, patience)
    const owners = await this.page.evaluate(() => [...(globalThis as unknown as Scope).owners])
    expect(owners.filter((owner) => ![user, ...alsoOf].includes(owner))).to.deep.equal(
      [],
      `${user} saw notes of others`,
    )
  }

  /** Waits until the client has this status. */
  async has(status: string, patience?: number): Promise<void> {
    await settles(async () => (await shownIn(this.page)).status, status, 'the status', patience)
  }

  notes(): Promise<string[]> {
    return this.page.locator('#notes li').allTextContents()
  }

  async status(): Promise<string> {
    return (await shownIn(this.page)).status
  }

  errors(): Promise<string[]> {
    return this.page.locator('#errors li').allTextContents()
  }

  /** Counts the bytes of the cookies that the browser would send to this address. */
  async cookieBytes(path = 'particle/stream'): Promise<number> {
    const cookies = await this.page.context().cookies(this.#url + path)
    return cookies.reduce((sum, { name, value }) => sum + name.length + value.length + 3, 0)
  }
}

/** What the site's script leaves in its window. */
interface Scope {
  owners: Set<string>
}

/** What a page or a frame of the site shows now. */
export async function shownIn(page: Page | Frame): Promise<Shown> {
  // tsx wraps functions that are named in a helper, which the page doesn't have: nothing is named here.
  const [user = '', status = '', ...notes] = await page.evaluate(() => [
    document.querySelector('#user')?.textContent ?? '',
    document.querySelector('#status')?.textContent ?? '',
    ...[...document.querySelectorAll('#notes li')].map(({ textContent }) => textContent ?? ''),
  ])
  return { user, status, notes: notes.sort() }
}

/** Waits until a value is the wanted one; fails with the difference when it isn't in time (ms). */
export async function settles<T>(
  read: () => T | Promise<T>,
  wanted: T,
  what: string,
  patience = 8000,
): Promise<void> {
  const deadline = Date.now() + patience
  for (;;) {
    const value = await Promise.resolve(read()).catch((error: unknown) => error) // a page that is just left
    try {
      expect(value).to.deep.equal(wanted)
      return
    } catch {
      if (Date.now() > deadline) {
        if (value instanceof Error) throw value
        expect(value, `${what}, after ${patience} ms: ${JSON.stringify(value)}`).to.deep.equal(wanted)
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
