import { expect } from 'chai'
import session from 'express-session'
import type { Browser, BrowserContext } from 'playwright-core'
import { Balancer } from '../support/cluster/balancer.ts'
import { type App, type Notes, notesInMemory, startApp } from '../support/life/app.ts'
import { sharedBrowser } from '../support/life/browser.ts'
import { settles, Tab } from '../support/life/tab.ts'
import { guideConfiguration, startNginx } from '../support/nginx.ts'
import { freePort } from '../support/process.ts'

/**
 * In which every page must be back, and in which a closing node must have closed, in ms. The issue says 3 s
 * and 1 s; the rest is for busy machines.
 */
const BACK = 5000
const CLOSED = 1500

const OLD = 'the secret that all nodes have shared'
const NEW = 'the secret that they are to share now'

describe('A deploy of two nodes', function () {
  this.timeout(60_000)
  let browser: Browser
  let contexts: BrowserContext[]
  let store: session.MemoryStore
  let notes: Notes
  let nodes: [App, App]
  let tabs: Tab[]
  let written: string[]
  const closers: (() => unknown)[] = []

  before(async function () {
    browser = await sharedBrowser(this)
  })
  beforeEach(async () => {
    store = new session.MemoryStore()
    notes = await notesInMemory()
    nodes = [await startNode(OLD), await startNode(OLD)]
    contexts = []
    tabs = []
    written = ['ann 1', 'ann 2']
  })
  afterEach(async () => {
    for (const context of contexts) await context.close()
    await Promise.all(nodes.map((node) => node.stop()))
    for (const close of closers.splice(0)) await close()
  })

  function startNode(secret: string, port = 0): Promise<App> {
    return startApp({ store, notes, port, particle: { secret } })
  }

  /**
   * The two nodes behind a TCP balancer, or behind nginx as the guide has it, with the site's pages besides.
   */
  async function front(kind: 'nginx' | 'a TCP balancer', context: Mocha.Context): Promise<string> {
    const [one, two] = nodes
    if (kind === 'a TCP balancer') {
      const balancer = await Balancer.start([one.port, two.port])
      closers.push(() => balancer.close())
      return `http://127.0.0.1:${balancer.port}/`
    }
    const port = await freePort()
    const pages = 'location / { proxy_pass http://particle; proxy_set_header Host $http_host; }'
    const configuration = (await guideConfiguration([one.port, two.port], port)).replace(
      'listen',
      `${pages} listen`,
    )
    const nginx = await startNginx(configuration, port)
    if ('missing' in nginx) return context.skip()
    closers.push(nginx.stop)
    return `http://127.0.0.1:${port}/`
  }

  /**
   * Opens three tabs in each of two browsers, each of which has its own connections, and waits until they are
   * live.
   */
  async function open(url: string): Promise<void> {
    for (let count = 0; count < 2; count++) {
      const context = await browser.newContext()
      contexts.push(context)
      const first = await Tab.open(context, url)
      await first.login('ann')
      tabs.push(first, await Tab.open(context, url), await Tab.open(context, url))
    }
    await live()
  }

  /** Writes, and waits until every page shows that, by one stream each, in time. */
  async function live(patience = BACK): Promise<void> {
    const text = `ann ${written.length + 1}`
    written.push(text)
    await notes.insert({ _id: text, owner: 'ann', text })
    await Promise.all(tabs.map((tab) => tab.shows('ann', written, { patience })))
    await settles(streams, tabs.length, 'the streams of all tabs')
  }

  const streams = () => nodes.reduce((sum, { server }) => sum + server.stats().connections, 0)

  async function stop(node: App, first: 'disconnect' | 'close'): Promise<void> {
    const began = performance.now()
    await node.stop(first)
    expect(performance.now() - began, 'the time that a node took to close').to.be.below(CLOSED)
  }

  for (const kind of ['nginx', 'a TCP balancer'] as const) {
    for (const first of ['disconnect', 'close'] as const)
      it(`in turn, behind ${kind}, has every page back at once, where ${first} is called first`, async function () {
        await open(await front(kind, this))
        for (const index of [0, 1] as const) {
          const { port } = nodes[index]
          await stop(nodes[index], first)
          await live()
          nodes[index] = await startNode(OLD, port)
          await live()
        }
        expect(await Promise.all(tabs.map((tab) => tab.status()))).not.to.include('refused')
      })

    it(`behind ${kind}, brings another secret to one node and then to the other, and loses no page`, async function () {
      await open(await front(kind, this))
      for (const index of [0, 1] as const) {
        const { port } = nodes[index]
        await stop(nodes[index], 'disconnect')
        nodes[index] = await startNode(NEW, port)
      }
      await live()
      expect(await Promise.all(tabs.map((tab) => tab.status()))).not.to.include('refused')
    })
  }

  // A balancer of TCP alone sends half of the tries to the node that refuses them: there the node must stop
  // listening as well.
  it('behind nginx, leaves no page on a node that ends its streams and stays up', async function () {
    await open(await front('nginx', this))
    await nodes[0].server.disconnect()
    await live()
    expect(nodes[1].server.stats().connections).to.equal(tabs.length)
  })
})
