import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { applyDelta } from '../../lib/model/delta.ts'
import type { Model } from '../../lib/model/document.ts'
import { formatPoint, formatPosition, NO_POSITION, parsePosition } from '../../lib/protocol/position.ts'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { PositionSeal } from '../../lib/server/tokens/position-seal.ts'
import { scopeOf } from '../../lib/server/tokens/token.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { until } from '../support/local.ts'
import { readStream } from '../support/stream.ts'

describe('Coming back to a stream', () => {
  let server: Server
  let listening: http.Server
  let url: string
  const store = memory()
  const users = store.collection('users')

  const start = async (options: Partial<ServerOptions> = {}) => {
    server = new Server({
      dataSources: { users: { manifest: { name: true }, collection: users } },
      ...options,
    })
    listening = http.createServer(server.middleware()).listen(0)
    await once(listening, 'listening')
    url = `http://localhost:${(listening.address() as AddressInfo).port}/particle`
  }
  /** A root that all see alike, and one that differs by team. */
  const startWithTeams = async () => {
    await users.insertOne({ _id: 2, name: 'b', team: 'b' })
    await start({
      identityLookup: (identity) => identity,
      dataSources: {
        all: { manifest: { name: true }, collection: users },
        own: { manifest: { name: true }, collection: users, criteria: { team: '@team' } },
      },
    })
  }
  const handshake = async (body: object) =>
    (await (
      await fetch(`${url}/handshake`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      })
    ).json()) as { token: string }
  const ready = async (headers: Record<string, string> = {}) => {
    const stream = await readStream(`${url}/stream`, headers)
    await until(() => stream.names().includes('ready'))
    return stream
  }

  beforeEach(async () => {
    await users.deleteMany({})
    await users.insertOne({ _id: 1, name: 'one', n: 0 })
  })
  afterEach(async () => {
    await server.disconnect()
    listening.close()
  })

  it('resumes from Last-Event-ID with what came meanwhile and no payload', async () => {
    await start()
    const [first, other] = [await ready(), await ready()]
    first.close()
    await users.updateOne({ _id: 1 }, { $set: { name: 'two' } })
    const back = await ready({ 'Last-Event-ID': first.events.at(-1)?.id ?? '' })
    expect(back.names()).to.deep.equal(['manifest', 'delta', 'ready'])
    expect(back.events[0]?.data.resumed).to.equal(true)
    expect(back.events[1]?.id).to.equal(other.events.at(-1)?.id)
    back.close()
    other.close()
  })

  it('resumes though everybody had left meanwhile, where the source kept its history', async () => {
    await start()
    const first = await ready()
    first.close()
    await until(() => server.stats().connections === 0)
    await users.updateOne({ _id: 1 }, { $set: { name: 'two' } })
    const back = await ready({ 'Last-Event-ID': first.events.at(-1)?.id ?? '' })
    await until(() => back.names().includes('delta'))
    expect(back.names()).not.to.include('payload')
    back.close()
  })

  for (const [what, id] of [
    ['a forged one', 'x:y:z:'],
    ['one that is no position', '%%%'],
    ['one of another server', 'aaaaaa:bbbbbbbb:1:c-1'],
  ] as const) {
    it(`resets cleanly from ${what}`, async () => {
      await start()
      const back = await ready({ 'Last-Event-ID': id })
      expect(back.names()).to.deep.equal(['manifest', 'reset', 'payload', 'ready'])
      expect(back.events[0]?.data).to.include({ resumed: false, reason: 'position-unknown' })
      expect(back.events[1]?.id).to.equal('')
      back.close()
    })
  }

  it('resets cleanly from a position of the future', async () => {
    const secret = 'the secret of this server'
    await start({ secret })
    const first = await ready()
    const stores = JSON.stringify([['memory', '']])
    const seal = new PositionSeal(secret, `${scopeOf(server.options)}${stores}`)
    const position = parsePosition(seal.open(first.lastId()) ?? '')
    expect(position?.adapters[0]).to.match(/-\d+$/)
    const future =
      position &&
      formatPosition(formatPoint({ ...position, sequence: position.sequence + 1 }), position.rights)
    const back = await ready({ 'Last-Event-ID': seal.seal(future ?? '') })
    expect(back.names()).to.deep.equal(['manifest', 'reset', 'payload', 'ready'])
    first.close()
    back.close()
  })

  it('resets when the log no longer reaches back', async () => {
    await start({ replay: { bytes: 0 } })
    const [first, other] = [await ready(), await ready()]
    first.close()
    await users.updateOne({ _id: 1 }, { $set: { name: 'two' } })
    const back = await ready({ 'Last-Event-ID': first.events.at(-1)?.id ?? '' })
    expect(back.names()).to.deep.equal(['manifest', 'reset', 'payload', 'ready'])
    expect(back.events[0]?.data.reason).to.equal('history-lost')
    back.close()
    other.close()
  })

  it('resets all who held everything before the source lost its history, not only who comes first', async () => {
    const small = memory({ history: 2 })
    const notes = small.collection('notes')
    await notes.insertOne({ _id: 1, n: 0 })
    await start({ dataSources: { notes: { manifest: true, collection: notes } } })
    const first = await ready()
    const id = first.events.at(-1)?.id ?? ''
    first.close()
    await until(() => server.stats().connections === 0)
    for (let i = 0; i < 9; i++) await notes.updateOne({ _id: 1 }, { $inc: { n: 1 } })
    for (let i = 0; i < 2; i++) {
      const back = await ready({ 'Last-Event-ID': id })
      expect(back.names()).to.deep.equal(['manifest', 'reset', 'payload', 'ready'])
      expect(back.of('payload')[0]?.data.data).to.deep.equal([{ _id: 1, n: 9 }])
    }
  })

  it('replays a root whose source kept its history, where that of another root was lost', async () => {
    const small = memory({ history: 2 })
    const notes = small.collection('notes')
    await notes.insertOne({ _id: 1, n: 0 })
    const manifest = { name: true as const, n: true as const }
    await start({
      dataSources: { users: { manifest, collection: users }, notes: { manifest, collection: notes } },
    })
    const first = await ready()
    first.close()
    await until(() => server.stats().connections === 0)
    for (let i = 0; i < 9; i++) await notes.updateOne({ _id: 1 }, { $inc: { n: 1 } })
    await users.updateOne({ _id: 1 }, { $set: { name: 'two' } })
    const back = await ready({ 'Last-Event-ID': first.events.at(-1)?.id ?? '' })
    expect(back.of('reset').map(({ data }) => data)).to.deep.equal([
      { root: 'notes', reason: 'history-lost' },
    ])
    expect(back.of('payload').map(({ data }) => data.root)).to.deep.equal(['notes'])
    expect(back.of('delta').map(({ data }) => data.root)).to.deep.equal(['users'])
  })

  describe('while the source of another root is down', () => {
    const down = memory()
    const notes = down.collection('notes')
    const open = down.open.bind(down)
    let back: Awaited<ReturnType<typeof readStream>>
    const deltas = () => back.of('delta').map(({ data }) => data.root)

    /** Comes back to changes of both roots, where the source of `notes` opens like this. */
    async function comeBack(reopen: typeof down.open): Promise<void> {
      await notes.deleteMany({})
      await notes.insertOne({ _id: 1, name: 'note' })
      const manifest = { name: true as const }
      await start({
        dataSources: { notes: { manifest, collection: notes }, users: { manifest, collection: users } },
        onError: () => {},
      })
      const first = await ready()
      first.close()
      await until(() => server.stats().connections === 0)
      await users.updateOne({ _id: 1 }, { $set: { name: 'two' } })
      await notes.updateOne({ _id: 1 }, { $set: { name: 'another' } })
      down.open = reopen
      back = await readStream(`${url}/stream`, { 'Last-Event-ID': first.events.at(-1)?.id ?? '' })
      await until(() => deltas().length === 1, 'the change of users', 10_000)
      await users.updateOne({ _id: 1 }, { $set: { name: 'three' } })
      await until(() => deltas().length === 2, 'a later change of users', 10_000)
      expect(deltas()).to.deep.equal(['users', 'users'])
      // A position would leave out what the client has of users, or what it lacks of notes.
      expect(back.lastId()).to.equal(NO_POSITION)
    }
    afterEach(() => {
      down.open = open
    })

    it('replays a root, and loads the other one once its source no longer fails', async () => {
      await comeBack(() => Promise.reject(new Error('down')))
      down.open = open
      await until(() => back.names().includes('ready'), 'ready', 10_000)
      expect(back.of('payload').map(({ data }) => data.data)).to.deep.equal([[{ _id: 1, name: 'another' }]])
      expect(deltas()).to.deep.equal(['users', 'users'])
      expect(back.lastId()).not.to.equal(NO_POSITION)
    })

    it('replays a root, and the other one as soon as its source opens', async () => {
      let release = () => {}
      const gate = new Promise<void>((resolve) => {
        release = resolve
      })
      await comeBack(async (...given) => {
        await gate
        return await open(...given)
      })
      release()
      await until(() => back.names().includes('ready'), 'ready', 10_000)
      expect(back.of('payload')).to.deep.equal([])
      expect(deltas()).to.deep.equal(['users', 'users', 'notes'])
      expect(back.lastId()).not.to.equal(NO_POSITION)
    })
  })

  it('resets a callback source that nobody listened to meanwhile, whatever else there was to tell', async () => {
    let n = 0
    const payload = () => ({ data: [{ _id: 1, n }], timestamp: new Date() })
    await start({ dataSources: { calls: { manifest: true, payload, delta: () => () => {} } } })
    const first = await ready()
    first.close()
    await until(() => server.stats().connections === 0)
    n = 5
    for (let i = 0; i < 2; i++) {
      const back = await ready({ 'Last-Event-ID': first.events.at(-1)?.id ?? '' })
      expect(back.names()).to.deep.equal(['manifest', 'reset', 'payload', 'ready'])
      expect(back.events[0]?.data).to.deep.include({ resumed: false, reason: 'history-lost' })
      expect(back.of('payload')[0]?.data.data).to.deep.equal([{ _id: 1, n: 5 }])
    }
  })

  it('is exact for a client that was cut off after any event, be it in the middle of a change, a replay or a difference', async () => {
    await startWithTeams()
    const { token } = await handshake({ identity: { team: 'b' } })
    const headers = { Authorization: `Bearer ${token}` }
    const first = await ready(headers)
    const other = await ready({
      Authorization: `Bearer ${(await handshake({ identity: { team: 'x' } })).token}`,
    })
    const count = (n: number) => users.updateOne({ _id: 2 }, { $inc: { n }, $push: { name: n } })
    await users.updateOne({ _id: 2 }, { $set: { name: [] } })
    for (const n of [1, 2]) await count(n)
    await until(() => first.of('delta').length === 6)
    const truth = async () => [
      (await users.find().toArray()).map(({ _id, name }) => ({ _id, name })),
      (await users.find({ team: 'b' }).toArray()).map(({ _id, name }) => ({ _id, name })),
    ]
    /** What a client has that got these events, from where it comes back. */
    const cutOff = (events: typeof first.events, model: Model = {}) => {
      for (const { name, data } of events) {
        if (name === 'payload') model[data.root] = structuredClone(data.data)
        if (name === 'delta') applyDelta(model, structuredClone(data))
      }
      return { model, id: events.findLast(({ id }) => id !== undefined)?.id ?? '' }
    }
    const check = async (events: typeof first.events, deeper: boolean) => {
      for (let cut = 1; cut <= events.length; cut++) {
        const { model, id } = cutOff(events.slice(0, cut))
        const back = await ready(id ? { ...headers, 'Last-Event-ID': id } : headers)
        const both = cutOff(back.events, model).model
        expect([both.all, both.own], `after ${cut} events`).to.deep.equal(await truth())
        back.close()
        if (deeper) await check([...events.slice(0, cut), ...back.events], false)
      }
    }
    await count(3)
    first.close()
    await check(first.events, true)
    other.close()
  })

  it('does not honour a position under another view, unless it was given for the same one', async () => {
    await startWithTeams()
    const a = await handshake({ identity: { team: 'a' } })
    const first = await ready({ Authorization: `Bearer ${a.token}` })
    const position = first.events.at(-1)?.id ?? ''
    const b = await handshake({ identity: { team: 'b' }, previous: a.token })
    const back = await ready({ Authorization: `Bearer ${b.token}`, 'Last-Event-ID': position })
    expect(back.events.map((event) => [event.name, event.data.root])).to.deep.equal([
      ['manifest', undefined],
      ['reset', 'own'],
      ['payload', 'own'],
      ['ready', undefined],
    ])
    const stranger = await handshake({ identity: { team: 'b' } })
    const third = await ready({ Authorization: `Bearer ${stranger.token}`, 'Last-Event-ID': position })
    expect(third.events[0]?.data.resumed).to.equal(false)
    const again = await ready({ Authorization: `Bearer ${a.token}`, 'Last-Event-ID': position })
    expect(again.names()).to.deep.equal(['manifest', 'ready'])
    for (const stream of [first, back, third, again]) stream.close()
  })

  it('does not honour a position of two tokens ago where the rights changed in between', async () => {
    await startWithTeams()
    const a = await handshake({ identity: { team: 'a' } })
    const first = await ready({ Authorization: `Bearer ${a.token}` })
    const position = first.lastId()
    first.close()
    await until(() => server.stats().connections === 0)
    const unused = await handshake({ identity: { team: 'b' }, previous: a.token })
    const b = await handshake({ identity: { team: 'b' }, previous: unused.token })
    const back = await ready({
      Authorization: `Bearer ${b.token}`,
      'Last-Event-ID': position,
    })
    expect(back.names()).to.deep.equal(['manifest', 'reset', 'payload', 'ready'])
    expect(back.events[1]?.data.root).to.equal('own')
    back.close()
  })
})
