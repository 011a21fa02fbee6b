import { expect } from 'chai'
import { related } from '../../lib/index.ts'
import type { ServerOptions } from '../../lib/server/index.ts'
import { type MemoryAdapter, memory } from '../../lib/source/memory/index.ts'
import { eventually } from '../support/http.ts'
import { Nodes } from '../support/nodes.ts'
import { presenting } from '../support/sse.ts'
import { readStream, type StreamReader } from '../support/stream.ts'

const SECRET = 'hunter2'
const room = (name: string) => `messages?${JSON.stringify({ room: name })}`

/** Nobody is shown the changes of a time at which the root was not allowed. */
describe('What was there before the right to a watched root', () => {
  const nodes = new Nodes()
  const streams: StreamReader[] = []
  let store: MemoryAdapter
  /** The rooms that `allow` allows to each user. */
  let allowed: Map<string, Set<string>>

  const start = async (source: object = {}, options: Partial<ServerOptions> = {}) => {
    const { url, server } = await nodes.start({
      secret: 'the secret of all nodes',
      identityLookup: (user: unknown) => ({ user: String(user) }),
      dataSources: {
        rooms: { collection: store.collection('rooms'), manifest: { name: true } },
        messages: {
          collection: store.collection('messages'),
          manifest: { room: true, text: true },
          params: { room: 'string' },
          criteria: { room: ':room' },
          allow: ({ user }: { user: string }, params: { room: string }) =>
            allowed.get(user)?.has(params.room) ?? false,
          ...source,
        },
      },
      ...options,
    } as never)
    const post = async (route: string, body: object) => {
      const response = await fetch(`${url}/${route}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      })
      return response.json() as Promise<{ token: string; live: boolean }>
    }
    const handshake = async (user: string, previous?: string) =>
      (await post('handshake', { identity: user, carrier: 'header', previous })).token
    const watch = (token: string, change: object) => post('watch', { token, ...change })
    const open = async (token: string | undefined, rooms: string[], position?: string, held = rooms) => {
      const list = (names: string[]) => encodeURIComponent(JSON.stringify(names.map(room)))
      const address = `${url}/stream?watch=${list(rooms)}&held=${list(held)}`
      const stream = await readStream(address, presenting(token, position))
      streams.push(stream)
      await eventually(() => stream.names().includes('ready'), 'ready')
      return stream
    }
    // Keeps the view open, as the other members of a room do.
    allowed.set('keeper', new Set(['a']))
    await open(await handshake('keeper'), ['a'])
    return { server, handshake, watch, open }
  }
  /** Writes a message that is gone again, which only a replay shows, and one that stays. */
  const write = async () => {
    const messages = store.collection('messages')
    await messages.insertOne({ _id: 1, room: 'a', text: SECRET })
    await messages.deleteOne({ _id: 1 })
    await messages.insertOne({ _id: 2, room: 'a', text: 'the new one' })
  }
  const textOf = (stream: StreamReader) => JSON.stringify(stream.events)
  const expectPresent = (stream: StreamReader) => {
    expect(textOf(stream)).not.to.contain(SECRET)
    expect(textOf(stream)).to.contain('the new one')
  }
  const refusals = (stream: StreamReader) => stream.of('error').length

  beforeEach(() => {
    store = memory()
    allowed = new Map(['ann', 'ben'].map((user) => [user, new Set(['a', 'b'])]))
  })
  afterEach(() => {
    for (const stream of streams.splice(0)) stream.close()
  })

  describe('is not shown for a position', () => {
    it('of before the root was refused in mid-stream', async () => {
      const { server, handshake, watch, open } = await start()
      const token = await handshake('ann')
      const stream = await open(token, ['a', 'b'])
      const position = stream.lastId()
      allowed.get('ann')?.delete('a')
      await server.refresh()
      await eventually(() => refusals(stream) === 1, 'the refusal')
      await write()
      allowed.get('ann')?.add('a')
      await watch(token, { add: [room('a')] })
      await eventually(() => textOf(stream).includes('the new one'), 'the present')
      expectPresent(stream)
      const renewed = stream.of('session').at(-1)?.data.token
      for (const each of [token, renewed, await handshake('ann', token), await handshake('ann')])
        expectPresent(await open(each, ['a', 'b'], position))
    })

    it('of before the root was refused to a client that had closed it', async () => {
      const { handshake, watch, open } = await start()
      const token = await handshake('ann')
      const stream = await open(token, ['a'])
      const position = stream.lastId()
      await watch(token, { remove: [room('a')] })
      allowed.get('ann')?.delete('a')
      await watch(token, { add: [room('a')] })
      await eventually(() => refusals(stream) === 1, 'the refusal')
      await write()
      allowed.get('ann')?.add('a')
      expectPresent(await open(token, ['a'], position))
    })

    it('of before the root was refused to a new stream', async () => {
      const { handshake, open } = await start()
      const token = await handshake('ann')
      const stream = await open(token, ['a', 'b'])
      const position = stream.lastId()
      stream.close()
      allowed.get('ann')?.delete('a')
      const without = await open(token, ['a', 'b'], position)
      expect(without.of('manifest')[0]?.data.resumed, 'the other root goes on').to.equal(true)
      without.close()
      await write()
      allowed.get('ann')?.add('a')
      expectPresent(await open(token, ['a', 'b'], position))
    })

    it('of before a loss that was told while the client was away', async () => {
      const { server, handshake, open } = await start()
      const token = await handshake('ann')
      const stream = await open(token, ['a'])
      const position = stream.lastId()
      stream.close()
      allowed.get('ann')?.delete('a')
      await server.refresh(() => true)
      await write()
      allowed.get('ann')?.add('a')
      expectPresent(await open(token, ['a'], position))
    })

    it('of another client, from before the own session', async () => {
      allowed.get('ben')?.clear()
      const { handshake, open } = await start()
      const ann = await handshake('ann')
      const position = (await open(ann, ['a'])).lastId()
      await write()
      allowed.get('ben')?.add('a')
      for (const previous of [undefined, ann])
        expectPresent(await open(await handshake('ben', previous), ['a'], position))
    })

    it('of before a relation was gone for a while', async () => {
      const members = store.collection('members')
      await members.insertOne({ _id: 1, user: 'ann', room: 'a' })
      await members.insertOne({ _id: 2, user: 'keeper', room: 'a' })
      const rooms = related('@user').through('members', 'user', 'room')
      const { handshake, open } = await start(
        { criteria: { room: ':room', $and: [{ room: rooms }] }, allow: undefined },
        { cacheConfig: { members: {} } } as never,
      )
      const token = await handshake('ann')
      const stream = await open(token, ['a'])
      const position = stream.lastId()
      await members.deleteOne({ _id: 1 })
      await eventually(() => stream.of('ready').length === 2, 'the loss')
      await write()
      await members.insertOne({ _id: 1, user: 'ann', room: 'a' })
      await eventually(() => textOf(stream).includes('the new one'), 'the return')
      expectPresent(stream)
      expectPresent(await open(token, ['a'], position))
    })

    it('of before the root was refused where no identity is looked up', async () => {
      const { server, handshake, open } = await start(
        { allow: () => allowed.get('ann')?.has('a') ?? false },
        { identityLookup: undefined },
      )
      const token = await handshake('ann')
      const stream = await open(token, ['a'])
      const position = stream.lastId()
      stream.close()
      allowed.get('ann')?.delete('a')
      await server.refresh()
      await open(token, ['a'])
      await write()
      allowed.get('ann')?.add('a')
      expectPresent(await open(token, ['a'], position))
    })
  })

  it('is not shown to a stream without a token, after a refresh', async () => {
    const { server, open } = await start(
      { allow: () => allowed.get('ann')?.has('a') ?? false },
      { identityLookup: undefined },
    )
    const stream = await open(undefined, ['a'])
    allowed.get('ann')?.delete('a')
    await server.refresh()
    await write()
    await eventually(() => refusals(stream) === 1, 'the refusal')
    expect(textOf(stream)).not.to.contain('the new one')
  })

  it('leaves the positions of later valid, and those of a client that lost nothing', async () => {
    const { server, handshake, watch, open } = await start()
    const [ann, ben] = [await handshake('ann'), await handshake('ben')]
    const [hers, his] = [await open(ann, ['a', 'b']), await open(ben, ['a'])]
    const early = his.lastId()
    allowed.get('ann')?.delete('b')
    await server.refresh()
    await eventually(() => refusals(hers) === 1, 'the refusal')
    await store.collection('messages').insertOne({ _id: 3, room: 'a', text: 'three' })
    await eventually(() => textOf(hers).includes('three'), 'the message')
    const later = hers.lastId()
    await store.collection('messages').insertOne({ _id: 4, room: 'a', text: 'four' })
    await watch(ann, { add: [room('b')] })
    for (const [token, position] of [
      [ann, later],
      [ben, early],
    ] as const) {
      const back = await open(token, ['a'], position)
      expect([back.of('reset'), back.of('payload').length]).to.deep.equal([[], 0])
      expect(textOf(back)).to.contain('four')
    }
  })
})
