import { expect } from 'chai'
import type { ChunkStore, Header } from '../../../lib/client/persist/chunk-store.ts'
import { ModelKeeper } from '../../../lib/client/persist/model-keeper.ts'
import type { PersistedClient } from '../../../lib/client/persistence.ts'
import type { ParticleError } from '../../../lib/errors.ts'
import type { Document } from '../../../lib/model/document.ts'
import { PROTOCOL } from '../../../lib/protocol/messages.ts'
import type { WatchEntry } from '../../../lib/protocol/watched-root.ts'
import { FakeClock, settle, TIMESTAMP } from '../fakes.ts'
import { FakeStore, Shelf } from './store.ts'

/** A client, as far as a keeper sees it. */
class Tab {
  readonly clock = new FakeClock()
  readonly errors: ParticleError[] = []
  readonly messages: string[] = []
  users: Document[] = []
  others: Record<string, Document[]> = {}
  held: WatchEntry[] = []
  position = 'p0'
  readonly keeper: ModelKeeper

  constructor(
    shelf: Shelf,
    {
      identity = 'ann',
      address = 'https://site/particle',
      key,
      open,
    }: {
      identity?: unknown
      address?: string
      key?: string
      open?: () => Promise<ChunkStore>
    } = {},
  ) {
    const tab = this
    const client: PersistedClient = {
      transport: { address, token: 'token' },
      store: {
        get manifest() {
          return { users: true as const, 'rooms?{"n":1}': true as const, 'rooms?{"n":2}': true as const }
        },
        get data() {
          return { users: tab.users, ...tab.others }
        },
      },
      live: { lastUpdated: new Date(TIMESTAMP) },
      watches: {
        list: {
          get held() {
            return tab.held
          },
        },
      },
      link: {
        get position() {
          return tab.position
        },
      },
      identity: () => identity,
      onError: (error) => tab.errors.push(error),
      onDebug: (message) => tab.messages.push(message),
    }
    this.keeper = new ModelKeeper(client, {
      key,
      store: open ?? (async () => new FakeStore(shelf)),
      after: (milliseconds, callback) => this.clock.after(milliseconds, callback),
      idle: async () => {},
      onEnd: () => {},
    })
  }

  /** Comes to a new position, and saves it. */
  async saves(position: string): Promise<void> {
    this.position = position
    this.keeper.changed()
    await this.clock.pass(30_000)
    await settle()
  }
}

const users = (count: number, from = 0): Document[] =>
  Array.from({ length: count }, (_, n) => ({ _id: from + n, text: 'x'.repeat(100) }))
const contentOf = (shelf: Shelf) =>
  (shelf.header as Header<{ position: string; chunks: Record<string, number[]> }>).content

describe('client/persist/model-keeper', () => {
  let shelf: Shelf
  beforeEach(() => {
    shelf = new Shelf()
  })

  /** Opens a tab that may write. */
  async function open(options: ConstructorParameters<typeof Tab>[1] = {}): Promise<Tab> {
    const tab = new Tab(shelf, options)
    await tab.keeper.opened
    await settle()
    return tab
  }

  it('returns what the last visit has saved: documents, position, token and watched roots', async () => {
    const one = await open()
    one.users = users(1000)
    one.held = [{ root: 'rooms?{"n":1}', limit: 20 }]
    one.others = { 'rooms?{"n":1}': users(3), 'rooms?{"n":2}': users(2) }
    await one.saves('p1')
    one.keeper.close()
    await settle()
    expect(await (await open()).keeper.opened).to.deep.equal({
      protocol: PROTOCOL,
      timestamp: TIMESTAMP,
      sources: { users: true, 'rooms?{"n":1}': true },
      data: { users: users(1000), 'rooms?{"n":1}': users(3) },
      position: 'p1',
      token: 'token',
      watch: [{ root: 'rooms?{"n":1}', limit: 20 }],
    })
    expect(one.errors).to.deep.equal([])
  })

  it('writes once a second at most, and only the chunks that have changed', async () => {
    const tab = await open()
    tab.users = users(2000)
    tab.keeper.changed()
    await tab.clock.pass(999)
    expect(shelf.puts.flat()).to.have.length(0)
    await tab.clock.pass(1)
    await settle()
    const all = shelf.puts.flat().length
    expect(all).to.be.within(8, 12)
    tab.users = tab.users.with(500, { _id: 500, text: 'changed' })
    await tab.saves('p2')
    expect(shelf.puts.at(-1)).to.have.length(1)
    await tab.saves('p3')
    expect(shelf.puts.at(-1)).to.have.length(0)
    expect(contentOf(shelf)?.position).to.equal('p3')
    expect(shelf.texts.size).to.equal(all)
  })

  it('saves nothing while no position describes the model', async () => {
    const tab = await open()
    tab.users = users(3)
    await tab.saves('')
    expect(contentOf(shelf)).to.equal(undefined)
  })

  it('goes on from the chunks of the last visit', async () => {
    const one = await open()
    one.users = users(2000)
    await one.saves('p1')
    one.keeper.close()
    await settle()
    const two = await open()
    two.users = (await two.keeper.opened)?.data.users ?? []
    two.users = [...two.users, { _id: 'new' }]
    await two.saves('p2')
    expect(shelf.puts.at(-1)?.length).to.be.at.most(1)
    expect((await (await open()).keeper.opened)?.data.users).to.have.length(2001)
  })

  it('gives the model to the same identity of the same server alone, and removes it when another comes', async () => {
    for (const other of [{ identity: 'ben' }, { address: 'https://other/particle' }, { key: 'ann' }]) {
      const one = await open()
      one.users = users(3)
      await one.saves('p1')
      expect(contentOf(shelf)?.position).to.equal('p1')
      one.keeper.close()
      await settle()
      const two = await open(other.key === undefined ? other : { identity: 'zoe', key: 'zoe' })
      expect(await two.keeper.opened).to.equal(undefined)
      expect(shelf.texts.size).to.equal(0)
      expect(JSON.stringify(shelf.header)).not.to.include('ann')
      two.keeper.close()
      await settle()
    }
  })

  it('asks who the user is, where neither an identity nor a key says so', async () => {
    const unknown = new Tab(shelf, { identity: null })
    expect(await unknown.keeper.opened).to.equal(undefined)
    expect(unknown.errors.map(({ code }) => code)).to.deep.equal(['INVALID_OPTION'])
  })

  it('drops a model of another version, and one with a chunk that is missing or damaged', async () => {
    const harms: (() => void)[] = [
      () => {
        if (shelf.header) shelf.header.version = 2
      },
      () => shelf.texts.delete([...shelf.texts.keys()][0] ?? 0),
      () => shelf.texts.set([...shelf.texts.keys()][0] ?? 0, '[{'),
    ]
    for (const harm of harms) {
      const one = await open()
      one.users = users(3)
      await one.saves('p1')
      one.keeper.close()
      await settle()
      harm()
      const two = await open()
      expect(await two.keeper.opened).to.equal(undefined)
      expect(shelf.texts.size).to.equal(0)
      two.users = users(2)
      await two.saves('p2')
      expect(two.errors).to.deep.equal([])
      two.keeper.close()
      await settle()
      const three = await open()
      expect((await three.keeper.opened)?.data.users).to.have.length(2)
      three.keeper.close()
      await settle()
    }
  })

  it('reports a broken store once, and leaves what it has', async () => {
    const tab = await open()
    tab.users = users(3)
    await tab.saves('p1')
    shelf.failure = new DOMException('full', 'QuotaExceededError')
    tab.users = users(4)
    await tab.saves('p2')
    await tab.saves('p3')
    expect(tab.errors.map(({ code }) => code)).to.deep.equal(['STORE_FAILED'])
    expect(contentOf(shelf)?.position).to.equal('p1')
    const without = new Tab(shelf, { open: () => Promise.reject(new Error('no database')) })
    expect(await without.keeper.opened).to.equal(undefined)
    await without.saves('p4')
    expect(without.errors.map(({ code }) => code)).to.deep.equal(['STORE_FAILED'])
    await without.keeper.clear()
  })

  it('lets one of two tabs write, and the other one after it, with all documents', async () => {
    const [one, two] = [await open(), await open()]
    one.users = users(1000)
    two.users = users(1000)
    await two.saves('q1')
    expect(contentOf(shelf)).to.equal(undefined)
    await one.saves('p1')
    expect(contentOf(shelf)?.position).to.equal('p1')
    one.keeper.close()
    await settle()
    two.users = users(999)
    await two.saves('q2')
    await two.saves('q3')
    expect(contentOf(shelf)?.position).to.equal('q3')
    const three = await open()
    expect((await three.keeper.opened)?.data.users).to.deep.equal(users(999))
    expect([...shelf.texts.keys()].sort()).to.deep.equal(contentOf(shelf)?.chunks.users?.sort())
  })

  it('writes no model again that another tab has removed', async () => {
    const [one, two] = [await open(), await open()]
    one.users = users(3)
    await one.saves('p1')
    await two.keeper.clear()
    await one.saves('p2')
    await one.saves('p3')
    expect(shelf.texts.size).to.equal(0)
    expect(contentOf(shelf)).to.equal(undefined)
    expect(one.messages.join()).to.include('another tab has removed the model')
    expect(one.errors).to.deep.equal([])
  })

  it('removes the model also while a save is on its way', async () => {
    const tab = await open()
    tab.users = users(5000)
    tab.keeper.changed()
    const saving = tab.keeper.save()
    tab.keeper.close()
    await tab.keeper.clear()
    await saving
    await settle()
    expect(shelf.texts.size).to.equal(0)
    expect(contentOf(shelf)).to.equal(undefined)
  })

  it('lets another tab write while its page is in the back/forward cache', async () => {
    const one = await open()
    one.users = users(3)
    await one.saves('p1')
    one.keeper.leave()
    await settle()
    const two = await open()
    two.users = users(4)
    await two.saves('q1')
    await two.saves('q2')
    expect(contentOf(shelf)?.position).to.equal('q2')
    one.keeper.return()
    two.keeper.close()
    await settle()
    one.users = users(5)
    await one.saves('p2')
    await one.saves('p3')
    expect((await (await open()).keeper.opened)?.data.users).to.deep.equal(users(5))
  })
})
