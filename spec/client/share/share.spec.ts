import { expect } from 'chai'
import { Client, type ClientOptions } from '../../../lib/client/index.ts'
import { share } from '../../../lib/client/share/index.ts'
import { Server } from '../../../lib/server/index.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { type Listening, listen } from '../../support/http.ts'
import { until } from '../../support/local.ts'

/** The locks of one origin, as far as tabs use them: one holder a name, the others wait in their order. */
class FakeLocks {
  readonly #holders = new Map<string, (reason: unknown) => void>()
  readonly #waiting = new Map<string, (() => void)[]>()

  async query(): Promise<object> {
    return { held: [...this.#holders.keys()].map((name) => ({ name })) }
  }

  request(
    name: string,
    { signal, steal }: { signal?: AbortSignal; steal?: boolean },
    callback: () => unknown,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const take = () => {
        const lost = new Promise((_, stolen) => this.#holders.set(name, stolen))
        Promise.race([Promise.resolve().then(callback), lost])
          .then(resolve, reject)
          .finally(() => this.#next(name))
      }
      signal?.addEventListener('abort', () => reject(signal.reason))
      const isTaken = this.#holders.has(name)
      if (isTaken && steal) this.#holders.get(name)?.(new DOMException('stolen', 'AbortError'))
      if (!isTaken || steal) take()
      else
        this.#waiting.set(name, [
          ...(this.#waiting.get(name) ?? []),
          () => (signal?.aborted ? this.#next(name) : take()),
        ])
    })
  }

  #next(name: string): void {
    this.#holders.delete(name)
    this.#waiting.get(name)?.shift()?.()
  }
}

describe('Tabs that share a stream', () => {
  const own = Object.getOwnPropertyDescriptor(globalThis, 'navigator')
  const clients: Client[] = []
  let store = memory()
  let server: Server
  let listening: Listening

  beforeEach(async () => {
    Object.defineProperty(globalThis, 'navigator', { value: { locks: new FakeLocks() }, configurable: true })
    store = memory()
    server = new Server({
      identityLookup: (identity) => identity,
      dataSources: {
        notes: { manifest: true, collection: store.collection('notes') },
        messages: {
          manifest: true,
          collection: store.collection('messages'),
          params: { room: 'number' },
          criteria: { room: ':room' },
          sort: { _id: 1 },
          limit: 2,
          maxLimit: 10,
        },
      },
    })
    listening = await listen(server.middleware())
    await store.collection('notes').insertOne({ _id: 1, n: 0 })
    await store.collection('messages').insertMany([1, 2, 3, 4].map((_id) => ({ _id, room: 7, n: 0 })))
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close()
    if (own) Object.defineProperty(globalThis, 'navigator', own)
    else Reflect.deleteProperty(globalThis, 'navigator')
    await server.disconnect()
    await listening.close()
  })

  const open = async (identity: object = { user: 'ann' }, options: ClientOptions = {}) => {
    const client = new Client({
      url: `${listening.url}/particle`,
      identity,
      share,
      notify: 'event',
      ...options,
    })
    clients.push(client)
    await client.ready()
    return client
  }

  it('have one connection, and all that its tabs see', async () => {
    const tabs = [await open(), await open(), await open()]
    expect(server.stats().connections).to.equal(1)
    await store.collection('notes').updateOne({ _id: 1 }, { $set: { n: 5 } })
    await until(() => tabs.every(({ data }) => data.notes?.[0]?.n === 5), 'all see the write')
  })

  it('go on without a repeated event when the leader closes', async () => {
    const [leader, ...others] = [await open(), await open(), await open()]
    const seen = others.map((tab) => {
      const values: unknown[] = []
      tab.subscribe(() => values.push(tab.getSnapshot('notes')?.[0]?.n))
      return values
    })
    leader?.close()
    for (const n of [1, 2, 3]) await store.collection('notes').updateOne({ _id: 1 }, { $set: { n } })
    await until(() => seen.every((values) => values.at(-1) === 3), 'the others go on')
    for (const values of seen) {
      const changes = values.filter((value, index) => value !== values[index - 1] && value !== 0)
      expect(changes).to.deep.equal([...changes].sort())
    }
    expect(server.stats().connections).to.equal(1)
  })

  it('continue from their position when they lead again after a pause', async () => {
    const events: string[] = []
    const leader = await open(undefined, { onData: (_data, { event }) => events.push(event) })
    const other = await open()
    leader.pause()
    await store.collection('notes').updateOne({ _id: 1 }, { $set: { n: 1 } })
    await until(() => other.data.notes?.[0]?.n === 1, 'the other tab leads')
    other.close()
    await until(() => server.stats().connections === 0, 'no stream')
    await store.collection('notes').updateOne({ _id: 1 }, { $set: { n: 2 } })
    events.length = 0
    leader.resume()
    await leader.ready()
    expect(leader.data.notes).to.deep.equal([{ _id: 1, n: 2 }])
    expect(new Set(events)).to.deep.equal(new Set(['delta']))
  })

  it('belong to one identity', async () => {
    await open({ user: 'ann' })
    await open({ user: 'ben' })
    expect(server.stats().connections).to.equal(2)
  })

  it('show a transaction over their own root and that of another tab at once', async () => {
    const [leader, follower] = [await open(), await open()]
    const room = follower?.watch('messages', { room: 7 })
    await room?.ready()
    const torn: unknown[] = []
    follower?.subscribe(() => {
      const [note] = (follower.getSnapshot('notes') ?? []) as { n: number }[]
      const [message] = (room?.getSnapshot() ?? []) as { n: number }[]
      if (note?.n !== message?.n) torn.push([note?.n, message?.n])
    })
    const set = (name: string, n: number) => store.collection(name).updateOne({ _id: 1 }, { $set: { n } })
    for (let n = 1; n <= 20; n++)
      await Promise.all(store.transact(() => [set('notes', n), set('messages', n)]))
    const isCurrent = (client: Client | undefined) => client?.data.notes?.[0]?.n === 20
    await until(() => isCurrent(leader) && isCurrent(follower), 'both are current')
    expect(torn).to.deep.equal([])
    expect(leader?.data).to.have.all.keys('notes')
  })

  it('load a longer window for the tab that asks', async () => {
    await open()
    const room = (await open()).watch('messages', { room: 7 })
    await room.ready()
    expect(room.data).to.have.length(2)
    await room.more(2)
    expect(room.data).to.have.length(4)
    expect(server.stats().connections).to.equal(1)
  })

  it('have streams of their own without Web Locks, and say so', async () => {
    Object.defineProperty(globalThis, 'navigator', { value: {}, configurable: true })
    const said: string[] = []
    await open({}, { onDebug: (message) => said.push(message) })
    await open()
    expect(server.stats().connections).to.equal(2)
    expect(said.join()).to.include('share: each tab has a stream of its own')
  })
})
