import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import type { BrowserContext, Page } from 'playwright-core'
import { Server, type ServerOptions } from '../../lib/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually } from '../support/http.ts'
import { eachContext } from '../support/life/browser.ts'
import { settles } from '../support/life/tab.ts'

/*
 * How people meet it: someone opens the twelve tabs of a help desk, over HTTP/1.1, as a server on an intranet
 * speaks it. Without `share` six streams take all connections of the browser, and the seventh tab never loads.
 * With the option `share`
 * - there is one stream, and `fetch()` answers in each tab,
 * - each tab shows what it watches, though others watch other rooms,
 * - the tab that holds the stream is closed, put away by the back button, frozen by the browser to save energy,
 *   hangs in a loop, or crashes: the others go on within two seconds, and no change is lost or shown twice,
 * - whoever logs out in one tab is logged out in all, and whoever logs in as another user sees no data of the
 *   first,
 * - a page waits for its own write in any tab,
 * - other scripts of the origin use channels too, and can't break it.
 */

const TABS = 12
/** A leader is replaced in this time, in milliseconds. */
const SOON = 2000

const PAGE = `<!doctype html><title>tab</title><a href="/other">other</a>
<script type="module">
import { Client } from '/particle/client.js'
import { share } from '/particle/client/share.js'
const seen = { statuses: [], errors: [], debug: [], added: [], events: [] }
const client = new Client({
  share,
  identity: window.identity,
  notify: 'event',
  onStatus: (status) => seen.statuses.push(status),
  onError: ({ message }) => seen.errors.push(message),
  onDebug: (message) => seen.debug.push(message),
  onData: (data, event) => {
    if (event.event === 'delta')
      for (const { operation, path, id, data } of event.data.oplist)
        seen.events.push(event.data.root + ' ' + operation + ' ' + id + ' ' + path)
  },
})
Object.assign(window, { client, seen })
</script>`

/** What a tab has seen. */
interface Seen {
  statuses: string[]
  errors: string[]
  debug: string[]
  events: string[]
}

interface Scope {
  client: import('../../lib/client/index.ts').Client
  seen: Seen
  identity: unknown
  /** Whether the page came back from the back/forward cache. */
  persisted?: boolean
  watch: import('../../lib/client/index.ts').Watch
}

describe('Tabs that share a stream, in Chromium over HTTP/1.1', function () {
  this.timeout(120_000)
  const store = memory()
  const notes = store.collection('notes')
  const messages = store.collection('messages')
  let context: BrowserContext
  let server: Server
  let listening: http.Server
  let url: string
  let count = 0
  let pages: Page[] = []

  const take = (fresh: BrowserContext) => {
    context = fresh
  }
  eachContext(take)

  async function start(options: Partial<ServerOptions> = {}, port = 0): Promise<void> {
    pages = []
    server = new Server({
      identityLookup: (identity) => identity ?? 'all',
      dataSources: {
        notes: { manifest: true, collection: notes },
        messages: {
          manifest: true,
          collection: messages,
          params: { room: 'number' },
          criteria: { room: ':room' },
        },
      },
      ...options,
    })
    const handle = server.middleware()
    listening = http.createServer((request, response) => {
      handle(request, response, () => {
        if (request.url === '/time') response.end('now')
        else response.setHeader('Content-Type', 'text/html').end(PAGE)
      })
    })
    await new Promise<void>((resolve) => listening.listen(port, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
  }

  afterEach(async function () {
    if (this.currentTest?.state === 'failed') {
      for (const [index, page] of pages.entries()) {
        const seen = await Promise.race([
          page.evaluate(() => (globalThis as unknown as Scope).seen).catch(String),
          new Promise((resolve) => setTimeout(resolve, 500, 'no answer')),
        ])
        console.log(index, JSON.stringify(seen))
      }
    }
    await server?.disconnect()
    listening?.closeAllConnections()
    listening?.close()
  })

  const open = async (identity?: unknown): Promise<Page> => {
    const page = await context.newPage()
    page.setDefaultTimeout(15_000)
    await page.addInitScript((given) => Object.assign(globalThis, { identity: given }), identity)
    await page.goto(url)
    pages.push(page)
    return page
  }
  const openAll = async (count: number) => {
    for (let index = 0; index < count; index++) await open()
    for (const page of pages) await shows(page)
    await streams(1)
    return pages
  }
  const write = async () => {
    await notes.insertOne({ _id: ++count, text: `note ${count}` })
    return count
  }
  const idsIn = (page: Page) =>
    page.evaluate(() => (globalThis as unknown as Scope).client.getSnapshot('notes').map(({ _id }) => _id))
  const shows = (page: Page, patience?: number) =>
    settles(
      () => idsIn(page),
      Array.from({ length: count }, (_, index) => index + 1),
      'the notes',
      patience,
    )
  const seenIn = (page: Page) => page.evaluate(() => (globalThis as unknown as Scope).seen)
  const streams = (wanted: number) =>
    eventually(() => server.stats().connections === wanted, `${wanted} streams`, 8000)
  /** Checks whether a tab holds the lock of its leader, whose name begins the names of all tabs' own locks. */
  const leads = (page: Page) =>
    page.evaluate(async () => {
      const { held = [] } = await navigator.locks.request('who am I', () => navigator.locks.query())
      const own = held.find(({ name }) => name === 'who am I')?.clientId
      return held.some(
        ({ name, clientId }) => clientId === own && held.some((other) => other.name?.startsWith(`${name} `)),
      )
    })
  const leaderOf = async () => {
    for (const page of pages) if (await leads(page)) return page
    throw new Error('no tab leads')
  }
  /** Checks that the other tabs have got a write within two seconds, and have seen each write once. */
  const goOn = async (others: readonly Page[], since: number) => {
    await write()
    for (const page of others) await shows(page, SOON + since - Date.now())
    await streams(1)
    for (let n = 0; n < 3; n++) await write()
    for (const page of others) await shows(page)
    for (const page of others) {
      const { events, statuses, errors } = await seenIn(page)
      expect(new Set(events).size, 'shown twice').to.equal(events.length)
      expect(errors).to.deep.equal([])
      expect(statuses).to.deep.equal(['waiting', 'ready'])
    }
  }

  it('opens twelve tabs over one connection: fetch() answers in each, and each is right', async () => {
    await start()
    await write()
    await openAll(TABS)
    for (const page of pages)
      expect(await page.evaluate(async () => (await fetch('/time')).text())).to.equal('now')
    for (let n = 0; n < 20; n++) await write()
    for (const page of pages) await shows(page)
    await streams(1)
    for (const page of pages) {
      const { events, statuses, errors } = await seenIn(page)
      expect(events).to.have.length(20)
      expect(statuses).to.deep.equal(['waiting', 'ready'])
      expect(errors).to.deep.equal([])
    }
  })

  it('goes on within 2 s when the leading tab is closed', async () => {
    await start()
    await openAll(4)
    const leader = await leaderOf()
    const since = Date.now()
    await leader.close()
    pages = pages.filter((page) => page !== leader)
    await goOn(pages, since)
    await leaderOf()
  })

  it('goes on when the leading tab is closed or hangs while it renews its token', async () => {
    let [lookups, waiting] = [0, 0]
    await start({
      sessionTtl: 3000,
      heartbeat: 1200,
      identityLookup: async (identity) => {
        lookups++
        waiting++
        await new Promise((resolve) => setTimeout(resolve, 300))
        waiting--
        return identity ?? 'all'
      },
    })
    await openAll(4)
    const renews = async () => {
      await eventually(() => waiting === 0, 'no renewal', 8000)
      await eventually(() => waiting > 0, 'a renewal', 8000)
    }
    for (let time = 0; time < 2; time++) {
      const leader = await leaderOf()
      await renews()
      const since = Date.now()
      await leader.close()
      pages = pages.filter((page) => page !== leader)
      await goOn(pages, since)
    }
    const leader = await leaderOf()
    const others = pages.filter((page) => page !== leader)
    await renews()
    const since = Date.now()
    const hanging = leader.evaluate(() => {
      for (const end = Date.now() + 4000; Date.now() < end; );
    })
    await goOn(others, since).finally(() => hanging)
    await shows(leader)
    // The token of the next leader is renewed too.
    const before = lookups
    await eventually(() => lookups > before + 3, 'more renewals', 15_000)
    await goOn(others, Date.now())
    await shows(leader)
    await streams(1)
  })

  it('goes on within 2 s when the leading tab is frozen, which goes on too when it is thawed', async () => {
    await start()
    await openAll(4)
    const leader = await leaderOf()
    const others = pages.filter((page) => page !== leader)
    const devtools = await context.newCDPSession(leader)
    const since = Date.now()
    await devtools.send('Page.setWebLifecycleState', { state: 'frozen' })
    await goOn(others, since)
    await devtools.send('Page.setWebLifecycleState', { state: 'active' })
    await shows(leader)
    await streams(1)
  })

  it('goes on within 2 s when the leading tab hangs, which follows afterwards', async () => {
    await start()
    await openAll(4)
    const leader = await leaderOf()
    const others = pages.filter((page) => page !== leader)
    const since = Date.now()
    const hanging = leader.evaluate(() => {
      for (const end = Date.now() + 6000; Date.now() < end; );
    })
    await goOn(others, since).catch(async (error) => {
      await hanging
      throw error
    })
    await hanging
    await shows(leader)
    await streams(1)
    expect(await leads(leader)).to.equal(false)
  })

  it('goes on within 2 s when the leading tab crashes', async () => {
    await start()
    await openAll(4)
    const leader = await leaderOf()
    const devtools = await context.newCDPSession(leader)
    const since = Date.now()
    void devtools.send('Page.crash').catch(() => {})
    pages = pages.filter((page) => page !== leader)
    await goOn(pages, since)
  })

  describe('with a back/forward cache', () => {
    // The whole Chromium alone has such a cache, and takes three times the CPU time.
    eachContext(take, { kind: 'whole' })

    it('goes on within 2 s when the leading tab goes to it, which is current when the user goes back', async () => {
      await start()
      await openAll(4)
      const leader = await leaderOf()
      const others = pages.filter((page) => page !== leader)
      const since = Date.now()
      await leader.evaluate(() => {
        const scope = globalThis as unknown as Scope
        addEventListener('pageshow', ({ persisted }) => {
          scope.persisted = persisted
        })
      })
      await leader.getByRole('link', { name: 'other' }).click()
      await goOn(others, since)
      await leader.goBack({ waitUntil: 'commit' })
      await shows(leader)
      expect(await leader.evaluate(() => (globalThis as unknown as Scope).persisted)).to.equal(true)
      await streams(1)
    })
  })

  it('goes on when the server restarts, over one connection again', async () => {
    await start({ secret: 'the secret of all nodes' })
    await write()
    await openAll(4)
    const { port } = listening.address() as AddressInfo
    await server.disconnect()
    listening.closeAllConnections()
    await new Promise((resolve) => listening.close(resolve))
    const kept = pages
    await start({ secret: 'the secret of all nodes' }, port)
    pages = kept
    await write()
    for (const page of pages) await shows(page, 20_000)
    await streams(1)
    for (const page of pages) expect((await seenIn(page)).errors).to.deep.equal([])
  })

  it('shows each tab the rooms that it watches, whichever tab leads, and asks for the union of them', async () => {
    await start()
    await messages.insertOne({ _id: 'a', room: 1, text: 'one' })
    await messages.insertOne({ _id: 'b', room: 2, text: 'two' })
    await openAll(3)
    const watch = (page: Page, room: number) =>
      page.evaluate((number) => {
        const scope = globalThis as unknown as Scope
        scope.watch?.close()
        scope.watch = scope.client.watch('messages', { room: number }) as never
      }, room)
    const has = (page: Page, ids: string[], patience?: number) =>
      settles(
        () =>
          page.evaluate(() => {
            const { watch } = globalThis as unknown as Scope
            return [watch.status, ...watch.getSnapshot().map(({ _id }) => String(_id))]
          }),
        ['ready', ...ids],
        'the room',
        patience,
      )
    const [first, second, third] = pages as [Page, Page, Page]
    await watch(second, 1)
    await has(second, ['a'])
    await watch(third, 1)
    await has(third, ['a'])
    await watch(first, 2)
    await has(first, ['b'])
    await messages.insertOne({ _id: 'c', room: 1, text: 'three' })
    await has(second, ['a', 'c'])
    await has(third, ['a', 'c'])
    await has(first, ['b'])
    const rootsOf = (page: Page) =>
      page.evaluate(() => Object.keys((globalThis as unknown as Scope).client.getSnapshot()).sort())
    expect(await rootsOf(first)).to.deep.equal(['messages?{"room":2}', 'notes'])
    expect(await rootsOf(second)).to.deep.equal(['messages?{"room":1}', 'notes'])
    const leader = await leaderOf()
    await leader.close()
    pages = pages.filter((page) => page !== leader)
    await messages.insertOne({ _id: 'd', room: 1, text: 'four' })
    await messages.insertOne({ _id: 'e', room: 2, text: 'five' })
    for (const page of pages) await has(page, page === first ? ['b', 'e'] : ['a', 'c', 'd'])
    await streams(1)
    const last = pages[0] as Page
    await watch(last, 2)
    await has(last, ['b', 'e'])
    for (const page of pages) expect((await seenIn(page)).errors).to.deep.equal([])
  })

  it('refuses all tabs when the rights are revoked, as by a logout in one of them', async () => {
    await start()
    await write()
    await openAll(3)
    server.revoke(() => true)
    for (const page of pages) {
      await settles(
        () => page.evaluate(() => (globalThis as unknown as Scope).client.status),
        'refused',
        'the status',
      )
      expect(await idsIn(page)).to.deep.equal([])
    }
    await streams(0)
  })

  it('gives each identity a stream of its own, also where only a cookie says who the user is', async () => {
    await start({
      identityLookup: (identity, _done, request) =>
        identity ?? /user=(\w+)/.exec(request?.headers.cookie ?? '')?.[1] ?? 'nobody',
      dataSources: {
        notes: {
          manifest: true,
          collection: notes,
          criteria: (identity: unknown) => (identity === 'ben' ? { _id: -1 } : {}),
        },
      },
    })
    await write()
    await context.addCookies([{ name: 'user', value: 'ann', url }])
    await open()
    await open()
    for (const page of pages) await shows(page)
    await streams(1)
    await context.addCookies([{ name: 'user', value: 'ben', url }])
    const ben = await open()
    await streams(2)
    await settles(() => idsIn(ben), [], 'the notes of ben')
    const cleo = await open('cleo')
    await shows(cleo)
    await streams(3)
    const [first, second] = pages as [Page, Page]
    await write()
    await shows(first)
    await shows(second)
    expect((await seenIn(ben)).events).to.deep.equal([])
    // Presents all tabs anew, whose cookie is ben's by now.
    await server.refresh()
    for (const page of [first, second]) await settles(() => idsIn(page), [], 'the notes of ben')
    await streams(2)
  })

  it('waits for the own write in each tab', async () => {
    await start()
    await openAll(3)
    for (const page of pages) {
      const id = await write()
      const position = await server.position('notes')
      await page.evaluate((given) => (globalThis as unknown as Scope).client.reached(given), position)
      expect(await idsIn(page)).to.include(id)
    }
  })

  it('is not broken by messages of other scripts', async () => {
    await start()
    await openAll(2)
    const names = await pages[0]?.evaluate(async () =>
      (await navigator.locks.query()).held?.map(({ name }) => String(name)),
    )
    for (const page of pages) {
      await page.evaluate((all) => {
        for (const name of all ?? []) {
          const channel = new BroadcastChannel(name)
          for (const message of [
            'hello',
            null,
            { type: 'event' },
            { particle: 1, type: 'join' },
            { particle: 1, type: 'ask' },
            { particle: 1, type: 'part', leader: 'me', sequence: 1, events: [{}] },
            { particle: 1, type: 'unknown', leader: 'me' },
            { particle: 1, type: 'down', leader: 'me' },
          ])
            channel.postMessage(message)
        }
      }, names)
    }
    await write()
    for (const page of pages) await shows(page)
    for (const page of pages) expect((await seenIn(page)).errors).to.deep.equal([])
  })

  it('has a stream of its own in a frame without an origin, and says so', async () => {
    await start({ allowOrigin: '*' })
    await write()
    const page = await open()
    await shows(page)
    await page.evaluate(
      (text) => {
        const frame = document.createElement('iframe')
        frame.setAttribute('sandbox', 'allow-scripts')
        frame.srcdoc = text
        document.body.append(frame)
      },
      PAGE.replaceAll('/particle/', `${url}/particle/`).replace('share,', `share, url: '${url}/particle',`),
    )
    await streams(2)
    const frame = page.frames()[1]
    const debug = await frame?.evaluate(() => (globalThis as unknown as Scope).seen.debug)
    expect(debug?.[0]).to.match(/^share: each tab has a stream of its own/)
  })
})
