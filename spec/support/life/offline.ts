import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { BrowserContext, Page } from 'playwright-core'
import { Server } from '../../../lib/index.ts'
import { type MemoryCollection, memory } from '../../../lib/source/memory/index.ts'
import { eachContext } from './browser.ts'
import { settles } from './tab.ts'

/** What the page of the site leaves in its window. */
interface Scope {
  client: { status: string; getSnapshot(root: string): readonly object[]; forget(): Promise<void> }
  /** The statuses and the number of notes at each, as they came. */
  seen: [status: string, notes: number][]
  errors: string[]
  /** The text of all streams. */
  wire: string
  /** Milliseconds from the construction of the client to its first documents, and the longest task. */
  opened: number
  longest: number
}

/**
 * The page of a user, `?user=ann`, and with `&share` one stream for all tabs. Its script keeps the model. The
 * service worker of such a site would serve it.
 */
const PAGE = `<!doctype html><meta charset="utf-8"><title>Notes</title>
<script type="module">
import { Client } from '/particle/client.js'
import { indexedDB } from '/particle/client/persist.js'
import { share } from '/particle/client/share.js'
Object.assign(window, { seen: [], errors: [], wire: '', opened: 0, longest: 0 })
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) window.longest = Math.max(window.longest, duration)
}).observe({ type: 'longtask', buffered: false })
const params = new URLSearchParams(location.search)
const user = params.get('user')
const began = performance.now()
const client = window.client = new Client({
  identity: { user },
  persist: indexedDB('notes'),
  ...(params.has('share') ? { share } : {}),
  onStatus: (status) => window.seen.push([status, client.data.notes?.length ?? 0]),
  onError: (error) => window.errors.push(error.code),
  onData: () => { window.opened ||= performance.now() - began },
  fetch: async (address, init) => {
    const response = await fetch(address, init)
    if (!String(address).includes('/stream')) return response
    const tap = new TransformStream({
      transform: (chunk, controller) => {
        window.wire += new TextDecoder().decode(chunk)
        controller.enqueue(chunk)
      },
    })
    return new Response(response.body.pipeThrough(tap), response)
  },
})
</script>`

/** A site whose pages keep their model in the browser. */
export class OfflineSite {
  readonly notes: MemoryCollection = memory().collection('notes')
  readonly messages: MemoryCollection = memory().collection('messages')
  readonly server = new Server({
    secret: 'a secret of all nodes',
    identityLookup: (identity: { user: string }) => identity,
    dataSources: {
      notes: { collection: this.notes, manifest: { text: true, n: true }, criteria: { owner: '@user' } },
      messages: {
        collection: this.messages,
        manifest: { text: true, room: true },
        params: { room: 'number' },
        criteria: { room: ':room' },
      },
    },
  })
  url = ''
  #http: HttpServer | undefined

  /** Adds notes of a user. */
  async fill(owner: string, count: number, from = 0): Promise<void> {
    const many = Array.from({ length: count }, (_, n) => ({
      _id: `${owner}${from + n}`,
      owner,
      n: from + n,
      text: `the note ${from + n} of ${owner}, with some text to make it as long as others are`,
    }))
    await this.notes.insertMany(many)
  }

  async start(): Promise<void> {
    const handle = this.server.middleware()
    this.#http = createServer((request, response) => {
      if (request.url?.startsWith('/particle')) handle(request, response)
      else
        response
          .setHeader('Content-Type', 'text/html')
          .end(request.url === '/other' ? '<h1>Other</h1>' : PAGE)
    })
    await new Promise<void>((resolve) => this.#http?.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#http?.close()
    this.#http?.closeAllConnections()
    await this.server.disconnect()
  }

  /** Opens the page of a user in a new tab, with more of its address: `&share`. */
  async visit(context: BrowserContext, user: string, more = ''): Promise<Visit> {
    const page = await context.newPage()
    await page.goto(`${this.url}/?user=${user}${more}`)
    return new Visit(page)
  }
}

/** Gives each test of a suite a site with notes of users, and a context of the browser, which `take` is told of first. */
export function eachSite(
  notes: Readonly<Record<string, number>>,
  take: (site: OfflineSite, context: BrowserContext) => void,
): void {
  let site: OfflineSite | undefined
  eachContext(async (context) => {
    site = new OfflineSite()
    take(site, context)
    for (const [owner, count] of Object.entries(notes)) await site.fill(owner, count)
    await site.start()
  })
  afterEach(async () => await site?.stop())
}

/** The page of a user, in a tab. */
export class Visit {
  readonly page: Page

  constructor(page: Page) {
    this.page = page
  }

  get<Name extends 'seen' | 'errors' | 'wire' | 'opened'>(name: Name): Promise<Scope[Name]> {
    return this.page.evaluate((key) => (globalThis as unknown as Scope)[key], name) as Promise<Scope[Name]>
  }

  /** Lists the names of the events that came. */
  async names(): Promise<string[]> {
    return (await this.get('wire')).match(/(?<=^event: ).*$/gm) ?? []
  }

  status(): Promise<string> {
    return this.page.evaluate(() => (globalThis as unknown as Scope).client.status)
  }

  texts(): Promise<string[]> {
    return this.page.evaluate(() =>
      (globalThis as unknown as Scope).client
        .getSnapshot('notes')
        .map((note) => (note as { text: string }).text),
    )
  }

  /** Returns the longest task since the last call, in milliseconds. */
  longestTask(): Promise<number> {
    return this.page.evaluate(() => {
      const scope = globalThis as unknown as Scope
      const { longest } = scope
      scope.longest = 0
      return longest
    })
  }

  forget(): Promise<void> {
    return this.page.evaluate(() => (globalThis as unknown as Scope).client.forget())
  }

  async has(status: string): Promise<void> {
    await settles(() => this.status(), status, 'the status', 15_000)
  }

  /** Waits until the store has a model at the present position of the page. */
  async saved(
    what: (header: StoredHeader | undefined) => boolean = (header) => !!header?.content,
  ): Promise<void> {
    await settles(async () => what(await this.header()), true, 'the saved model', 15_000)
  }

  /** Reads the header of the store. */
  header(): Promise<StoredHeader | undefined> {
    return this.page.evaluate(
      () =>
        new Promise((resolve, reject) => {
          const request = indexedDB.open('particle:notes', 1)
          request.onerror = () => reject(request.error)
          request.onsuccess = () => {
            const get = request.result.transaction('model').objectStore('model').get(0)
            get.onsuccess = () => {
              request.result.close()
              resolve(get.result)
            }
          }
        }),
    ) as Promise<StoredHeader | undefined>
  }

  /** Changes a record of the store, as a fault or another version would. */
  put(key: number, value: unknown): Promise<void> {
    return this.page.evaluate(
      ([at, record]) =>
        new Promise((resolve, reject) => {
          const request = indexedDB.open('particle:notes', 1)
          request.onerror = () => reject(request.error)
          request.onsuccess = () => {
            const transaction = request.result.transaction('model', 'readwrite')
            transaction.objectStore('model').put(record, at as number)
            transaction.oncomplete = () => {
              request.result.close()
              resolve()
            }
          }
        }),
      [key, value] as const,
    )
  }
}

/** The header of a store. */
export interface StoredHeader {
  version: number
  owner: string
  writer?: string
  content?: { position: string; chunks: Record<string, number[]> }
}
