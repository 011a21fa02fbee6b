import { expect } from 'chai'
import type { BrowserContext, Page } from 'playwright-core'
import { Server } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually, type Listening, listen } from '../support/http.ts'
import { eachContext } from '../support/life/browser.ts'

const PAGES = Array.from({ length: 8 }, (_, index) => `/page${index}`)
/** A page that waits for one of the browser's six connections takes a minute. In milliseconds. */
const SOON = 3000

/** An ordinary page: links, a list that a client keeps current, and what became of it. */
const html = (title: string) => `<!doctype html><title>${title}</title>
<h1>${title}</h1>${PAGES.map((path) => `<a href="${path}">${path}</a>`).join(' ')}<ul></ul>
<script type="module">
  import { Client } from '/particle/client.js'
  const seen = { shown: [], statuses: [], errors: [], restored: 0 }
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) Object.assign(seen, { restored: performance.now(), shown: [] })
  })
  const client = new Client({
    onData: (data) => {
      seen.shown.push({ after: performance.now() - seen.restored, notes: data.notes.length })
      document.querySelector('ul').innerHTML = '<li></li>'.repeat(data.notes.length)
    },
    onStatus: (status) => seen.statuses.push(status),
    onError: ({ message }) => seen.errors.push(message),
  })
  Object.assign(window, { client, seen })
</script>`

/** What a page has seen. */
interface Seen {
  /** Each state of the list: how many notes, how long after the page was restored, in milliseconds. */
  shown: { after: number; notes: number }[]
  statuses: string[]
  errors: string[]
  /** When it came from the cache; 0: it did not. */
  restored: number
}

describe('The back/forward cache', function () {
  this.timeout(60_000)
  const notes = memory().collection('notes')
  let context: BrowserContext
  let page: Page
  let server: Server
  let listening: Listening
  let count = 0

  eachContext(
    (fresh) => {
      context = fresh
    },
    { kind: 'whole' },
  )
  before(async () => {
    server = new Server({ dataSources: { notes: { manifest: true, collection: notes } } })
    const handler = server.middleware()
    listening = await listen((request, response) => {
      handler(request, response, () => {
        response.writeHead(200, { 'Content-Type': 'text/html' })
        response.end(html(request.url ?? ''))
      })
    })
  })
  beforeEach(async () => {
    page = await context.newPage()
    page.setDefaultTimeout(SOON)
  })
  after(async () => {
    await server?.disconnect()
    await listening?.close()
  })

  const write = async () => {
    count++
    await notes.insertOne({ _id: count })
  }
  const shows = (notes: number) =>
    page.waitForFunction((wanted) => document.querySelectorAll('li').length === wanted, notes)
  const seen = () => page.evaluate(() => (globalThis as unknown as { seen: Seen }).seen)
  const follow = async (path: string) => {
    await page.getByRole('link', { name: path, exact: true }).click()
    await page.getByRole('heading', { name: path, exact: true }).waitFor()
  }
  const goBackTo = async (path: string) => {
    await page.goBack({ waitUntil: 'commit' })
    await page.getByRole('heading', { name: path, exact: true }).waitFor()
  }
  const streams = (wanted: number) =>
    eventually(() => server.stats().connections === wanted, `${wanted} streams`)

  it('gives a page back that is current at once, and says nothing of having been away', async () => {
    await write()
    await page.goto(`${listening.url}/page0`)
    await shows(count)
    await follow('/page1')
    await shows(count)
    await streams(1)
    await write()
    await goBackTo('/page0')
    await shows(count)
    const { restored, shown, statuses, errors } = await seen()
    expect(restored).to.be.above(0)
    // The machine may be busy; without a stream that is opened at once, the next would come after a second or more.
    expect(shown.find(({ notes }) => notes === count)?.after).to.be.below(500)
    expect(statuses).to.deep.equal(['waiting', 'ready'])
    expect(errors).to.deep.equal([])
    await write()
    await shows(count)
    await streams(1)
  })

  it('is never so full of streams that an ordinary page is slow, forward or back', async () => {
    await page.goto(listening.url)
    for (const path of PAGES) {
      await follow(path)
      await shows(count)
      await streams(1)
    }
    let restored = 0
    for (const path of PAGES.slice(0, -1).reverse()) {
      await write()
      await goBackTo(path)
      await shows(count)
      await streams(1)
      restored += (await seen()).restored > 0 ? 1 : 0
    }
    expect(restored).to.be.at.least(3)
  })

  it('leaves a client alone that was paused by its application', async () => {
    await page.goto(`${listening.url}/page0`)
    await shows(count)
    await page.evaluate(() => (globalThis as unknown as { client: { pause(): void } }).client.pause())
    await streams(0)
    await follow('/page1')
    await shows(count)
    await goBackTo('/page0')
    await streams(0)
    await page.evaluate(() => (globalThis as unknown as { client: { resume(): void } }).client.resume())
    await write()
    await shows(count)
    expect((await seen()).statuses).to.include.members(['paused', 'ready'])
  })
})
