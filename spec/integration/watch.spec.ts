import { expect } from 'chai'
import express from 'express'
import particle from '../../lib/index.ts'
import { type MemoryCollection, memory } from '../../lib/source/memory/index.ts'
import { heapHeld } from '../support/garbage.ts'
import { eventually, type Listening, listen, shake } from '../support/http.ts'
import { readStream, type StreamReader } from '../support/stream.ts'

/** The deltas that change something; one without operations only ends a moment. */
const changesOf = (stream: StreamReader) => stream.of('delta').filter(({ data }) => data.oplist.length > 0)
const room = (name: string | number) => `messages?${JSON.stringify({ room: name })}`

describe('Watched roots', () => {
  let app: Listening
  let streams: StreamReader[] = []
  let errors: Error[] = []
  const members = new Map<string, Set<number>>()
  let messages: MemoryCollection
  let rooms: MemoryCollection
  let handler: ReturnType<typeof serve>

  function serve() {
    return particle.middleware({
      identityLookup: (identity: { user: string }) => identity,
      secret: 'a secret of all nodes',
      dataSources: {
        rooms: { collection: rooms, manifest: { name: true } },
        messages: {
          collection: messages,
          manifest: { text: true, room: true, at: true },
          params: { room: 'number' },
          criteria: { room: ':room' },
          allow: (identity: { user: string }, { room }: { room: unknown }) =>
            members.get(identity.user)?.has(room as number) ?? false,
          sort: { at: -1 },
          limit: 3,
          maxLimit: 10,
        },
      },
      onError: (error: Error) => errors.push(error),
    } as never)
  }

  beforeEach(async () => {
    const store = memory()
    messages = store.collection('messages')
    rooms = store.collection('rooms')
    await rooms.insertOne({ _id: 1, name: 'Lobby' })
    for (let at = 0; at < 6; at++) await messages.insertOne({ _id: at, room: at % 2, text: `m${at}`, at })
    members.set('ann', new Set([0, 1]))
    members.set('ben', new Set([1]))
    errors = []
    handler = serve()
    app = await listen(express().use(handler))
  })

  afterEach(async () => {
    for (const stream of streams) stream.close()
    streams = []
    await handler.server.disconnect()
    await app.close()
  })

  async function open(user: string, query: Record<string, unknown>, id?: string, previous?: string) {
    const { token } = await shake(`${app.url}/particle`, { user }, previous)
    const search = Object.entries(query)
      .map(([name, value]) => `${name}=${encodeURIComponent(JSON.stringify(value))}`)
      .join('&')
    const headers = { Authorization: `Bearer ${token}`, ...(id && { 'Last-Event-ID': id }) }
    const stream = await readStream(`${app.url}/particle/stream?${search}`, headers)
    streams.push(stream)
    return { token, stream }
  }

  async function watch(token: string, body: object) {
    const response = await fetch(`${app.url}/particle/watch`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    })
    return { status: response.status, answer: await response.json() }
  }

  it('come with the stream that asks for them, in their window and their fields', async () => {
    const { stream } = await open('ann', { watch: [room(1)] })
    await eventually(() => stream.of('ready').length === 1, 'ready')
    expect(Object.keys(stream.of('manifest')[0]?.data.sources)).to.deep.equal(['rooms', room(1)])
    const [payload] = stream.of('payload').filter(({ data }) => data.root === room(1))
    expect(payload?.data.data.map(({ _id }: { _id: number }) => _id)).to.deep.equal([5, 3, 1])
    expect(errors).to.deep.equal([])
  })

  it('are refused one by one, and leave the others as they are', async () => {
    const list = [room(0), room(1), room('x'), 'rooms', 'nothing?{"a":1}', 'messages?{"room": 1}']
    const { stream } = await open('ben', { watch: list })
    await eventually(() => stream.of('error').length === 5, 'five refusals')
    await eventually(() => stream.of('ready').length === 1, 'ready')
    expect(stream.of('error').map(({ data }) => [data.root, data.code])).to.have.deep.members([
      [room(0), 'FORBIDDEN'],
      [room('x'), 'INVALID_PARAMS'],
      ['rooms', 'INVALID_PARAMS'],
      ['nothing?{"a":1}', 'INVALID_PARAMS'],
      ['messages?{"room": 1}', 'INVALID_PARAMS'],
    ])
    expect(Object.keys(stream.of('manifest')[0]?.data.sources)).to.deep.equal(['rooms', room(1)])
  })

  it('are added and removed on the open stream, which goes on', async () => {
    const { stream, token } = await open('ann', {})
    await eventually(() => stream.of('ready').length === 1, 'ready')
    expect((await watch(token, { add: [room(0)] })).answer).to.deep.equal({
      live: true,
      refused: [],
      watch: [room(0)],
    })
    await eventually(() => stream.of('ready').length === 2, 'ready again')
    expect(stream.of('watching')[0]?.data.watch).to.deep.equal([room(0)])
    await messages.insertOne({ _id: 10, room: 0, text: 'new', at: 10 })
    await eventually(() => stream.of('delta').some(({ data }) => data.root === room(0)), 'a delta')
    await watch(token, { remove: [room(0)] })
    await eventually(() => stream.of('ready').length === 3, 'ready once more')
    const before = stream.events.length
    await messages.insertOne({ _id: 11, room: 0, text: 'unseen', at: 11 })
    await rooms.insertOne({ _id: 2, name: 'Attic' })
    await eventually(() => stream.events.length > before, 'the room')
    expect(stream.events.slice(before).map(({ data }) => data.root)).to.deep.equal(['rooms'])
    expect(handler.server.stats().views).to.equal(1)
    expect(stream.of('reset')).to.deep.equal([])
  })

  it('go on by position where the list has changed, and load the new ones alone', async () => {
    const { stream, token } = await open('ann', { watch: [room(0)] })
    await eventually(() => stream.of('ready').length === 1, 'ready')
    stream.close()
    await messages.updateOne({ _id: 4 }, { $set: { text: 'changed' } })
    const back = await open('ann', { watch: [room(0), room(1)], held: [room(0)] }, stream.lastId(), token)
    await eventually(() => back.stream.of('ready').length === 1, 'ready')
    expect(back.stream.of('manifest')[0]?.data.resumed).to.equal(true)
    expect(back.stream.of('payload').map(({ data }) => data.root)).to.deep.equal([room(1)])
    expect(back.stream.of('reset')).to.deep.equal([])
    expect(changesOf(back.stream).map(({ data }) => data.oplist[0].data)).to.deep.equal(['changed'])
  })

  it('prove by their position what the client held: another list is reset', async () => {
    const { stream, token } = await open('ann', {})
    await eventually(() => stream.of('ready').length === 1, 'ready')
    stream.close()
    const back = await open('ann', { watch: [room(0)], held: [room(0)] }, stream.lastId(), token)
    await eventually(() => back.stream.of('ready').length === 1, 'ready')
    expect(back.stream.of('manifest')[0]?.data).to.include({ resumed: false, reason: 'rights-changed' })
  })

  it('grow: only the difference travels', async () => {
    for (let at = 6; at < 16; at++) await messages.insertOne({ _id: at, room: at % 2, text: `m${at}`, at })
    const { stream, token } = await open('ann', { watch: [room(1)] })
    await eventually(() => stream.of('ready').length === 1, 'ready')
    await watch(token, { add: [{ root: room(1), limit: 5 }] })
    await eventually(() => changesOf(stream).length === 1, 'a difference')
    const [delta] = changesOf(stream)
    expect(delta?.data.oplist.map(({ id, at }: { id: number; at: number }) => [id, at])).to.deep.equal([
      [9, 3],
      [7, 4],
    ])
    expect(stream.of('watching')[0]?.data.watch).to.deep.equal([{ root: room(1), limit: 5 }])
    await watch(token, { add: [{ root: room(1), limit: 1000 }] })
    await eventually(() => stream.of('watching').length === 2, 'the longest window')
    expect(stream.of('watching')[1]?.data.watch).to.deep.equal([{ root: room(1), limit: 10 }])
  })

  it('end in mid-stream with the right to them, alone', async () => {
    const { stream } = await open('ann', { watch: [room(0), room(1)] })
    await eventually(() => stream.of('ready').length === 1, 'ready')
    members.get('ann')?.delete(0)
    await handler.server.refresh()
    await messages.insertOne({ _id: 20, room: 0, text: 'secret', at: 20 })
    await messages.insertOne({ _id: 21, room: 1, text: 'open', at: 21 })
    await eventually(() => changesOf(stream).length > 0, 'a delta')
    expect(stream.of('error').map(({ data }) => [data.root, data.code])).to.deep.equal([
      [room(0), 'FORBIDDEN'],
    ])
    expect(changesOf(stream).map(({ data }) => data.root)).to.deep.equal([room(1)])
    expect(stream.of('watching')[0]?.data.watch).to.deep.equal([room(1)])
  })

  it('end where a longer window of them is refused', async () => {
    const { stream, token } = await open('ann', { watch: [room(0), room(1)] })
    await eventually(() => stream.of('ready').length === 1, 'ready')
    members.get('ann')?.delete(0)
    const { answer } = await watch(token, { add: [{ root: room(0), limit: 5 }] })
    expect(answer.refused).to.have.lengthOf(1)
    await eventually(() => stream.of('watching').length === 1, 'another list')
    expect(stream.of('watching')[0]?.data.watch).to.deep.equal([room(1)])
    expect(handler.server.stats().views).to.equal(2)
  })

  it('are found by the token of their session alone', async () => {
    const { stream } = await open('ann', {})
    await eventually(() => stream.of('ready').length === 1, 'ready')
    const other = await shake(`${app.url}/particle`, { user: 'ann' })
    expect((await watch(other.token, { add: [room(0)] })).answer).to.deep.equal({
      live: false,
      refused: [],
      watch: [],
    })
    expect((await watch('forged', { add: [room(0)] })).status).to.equal(401)
    expect((await watch(other.token, { add: [7] })).status).to.equal(400)
  })

  it('open and close five hundred times on one stream, and leave nothing', async function () {
    this.timeout(90_000)
    for (let number = 0; number < 500; number++) members.get('ann')?.add(number)
    const { stream, token } = await open('ann', {})
    await eventually(() => stream.of('ready').length === 1, 'ready')
    const sizes = async (from: number, to: number) => {
      for (let number = from; number < to; number++) {
        await watch(token, { add: [room(number)] })
        await watch(token, { remove: [room(number)] })
        stream.events.length = 0
      }
      return heapHeld()
    }
    const before = await sizes(0, 100)
    const after = await sizes(100, 500)
    expect(after / before, 'memory').to.be.below(1.1)
    const { connections, views } = handler.server.stats()
    expect([connections, views]).to.deep.equal([1, 1])
    expect(errors).to.deep.equal([])
  })

  it('are bounded by limits.maxWatched, a hundred by default', async () => {
    for (let number = 0; number < 200; number++) members.get('ann')?.add(number)
    const all = Array.from({ length: 101 }, (_, number) => room(number))
    const { stream, token } = await open('ann', { watch: all })
    await eventually(() => stream.of('ready').length === 1, 'ready')
    expect(stream.of('error').map(({ data }) => [data.root, data.code])).to.deep.equal([
      [room(100), 'LIMIT_EXCEEDED'],
    ])
    const { answer } = await watch(token, { remove: [room(0)], add: [room(100)] })
    expect(answer.refused).to.deep.equal([])
  })

  it('move to another node with the stream, which sends nothing again', async () => {
    const { stream, token } = await open('ann', { watch: [room(0)] })
    await eventually(() => stream.of('ready').length === 1, 'ready')
    const second = serve()
    const other = await listen(express().use(second))
    const first = app
    try {
      app = other
      expect((await watch(token, { add: [room(1)] })).answer.live).to.equal(false)
      await messages.updateOne({ _id: 4 }, { $set: { text: 'changed' } })
      stream.close()
      const back = await open('ann', { watch: [room(0), room(1)], held: [room(0)] }, stream.lastId(), token)
      await eventually(() => back.stream.of('ready').length === 1, 'ready')
      expect(back.stream.of('payload').map(({ data }) => data.root)).to.deep.equal([room(1)])
      // A node that did not know the view sends the documents whole that were touched meanwhile.
      expect(changesOf(back.stream).map(({ data }) => data.oplist[0].data.text)).to.deep.equal(['changed'])
      back.stream.close()
    } finally {
      app = first
      await second.server.disconnect()
      await other.close()
    }
  })

  it('keep their positions while another one is added', async () => {
    const { stream, token } = await open('ann', { watch: [room(0)] })
    await eventually(() => stream.of('ready').length === 1, 'ready')
    for (let round = 0; round < 5; round++) {
      await Promise.all([
        watch(token, { add: [room(1)] }),
        messages.updateOne({ _id: 4 }, { $inc: { at: 1 } }),
        watch(token, { remove: [room(1)] }),
      ])
    }
    await messages.updateOne({ _id: 4 }, { $set: { text: 'last' } })
    await eventually(() => changesOf(stream).some(({ data }) => data.oplist[0].data === 'last'), 'the last')
    // Every change of a root that the client has comes with a position, and none is taken back.
    for (const { data, id } of changesOf(stream))
      if (data.root === room(0)) expect(id).to.match(/^[\w-]{20,}/)
    expect(stream.events.map(({ id }) => id)).to.not.include('none')
  })
})
