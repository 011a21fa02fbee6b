import { expect } from 'chai'
import express from 'express'
import particle, { related } from '../../lib/index.ts'
import type { ServerOptions } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { eventually, type Listening, listen, shake } from '../support/http.ts'
import { readStream, type StreamReader } from '../support/stream.ts'

const room = (value: unknown) => `messages?${JSON.stringify({ room: value })}`
const refusals = (stream: StreamReader) => stream.of('error').map(({ data }) => [data.root, data.code])
const sourcesOf = (stream: StreamReader) =>
  Object.keys((stream.of('watching').at(-1) ?? stream.of('manifest').at(-1))?.data.sources ?? {})
const idsOf = (stream: StreamReader, root: string) =>
  stream
    .of('payload')
    .flatMap(({ data }) => (data.root === root ? data.data : []))
    .map(({ _id }) => _id)

describe('Rights to watched roots', () => {
  let app: Listening
  const streams: StreamReader[] = []
  let errors: Error[] = []
  let store: ReturnType<typeof memory>
  let handler: ReturnType<typeof particle.middleware> | undefined

  beforeEach(async () => {
    store = memory()
    for (const [_id, of] of [
      [1, 'a'],
      [2, 'b'],
    ] as const)
      await store.collection('messages').insertOne({ _id, room: of, text: `of ${of}` })
    await store.collection('members').insertOne({ _id: 1, user: 'ann', room: 'a' })
    errors = []
  })

  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.close()
    await handler?.server.disconnect()
    await app.close()
  })

  /** Serves the messages of a room with these options, and others of the server. */
  async function serve(source: object, options: Partial<ServerOptions> = {}): Promise<void> {
    handler = particle.middleware({
      identityLookup: (identity: unknown) => identity,
      dataSources: {
        messages: {
          collection: store.collection('messages'),
          manifest: { text: true, room: true },
          params: { room: 'string' },
          criteria: { room: ':room' },
          ...source,
        },
      },
      onError: (error: Error) => errors.push(error),
      ...options,
    } as never)
    app = await listen(express().use(handler))
  }

  async function open(user: string, watch: unknown[]): Promise<StreamReader> {
    const { token } = await shake(`${app.url}/particle`, { user })
    const address = `${app.url}/particle/stream?watch=${encodeURIComponent(JSON.stringify(watch))}`
    const stream = await readStream(address, { Authorization: `Bearer ${token}` })
    streams.push(stream)
    await eventually(() => stream.of('ready').length === 1, 'ready')
    return stream
  }

  it('are nothing that a client without a handshake needs, where the server needs none', async () => {
    await serve({}, { identityLookup: undefined })
    const address = `${app.url}/particle/stream?watch=${encodeURIComponent(`[${JSON.stringify(room('a'))}]`)}`
    const stream = await readStream(address)
    streams.push(stream)
    await eventually(() => stream.of('ready').length === 1, 'ready')
    expect(idsOf(stream, room('a'))).to.deep.equal([1])
  })

  it('end with the document that they depend on', async () => {
    const members = store.collection('members')
    await serve(
      {
        allow: ({ rooms }: { rooms: string[] }, { room }: { room: string }) => rooms.includes(room),
      },
      {
        identityLookup: async ({ user }: { user: string }) => {
          const found = await members.find({ user }).toArray()
          return { user, rooms: found.map((each) => each.room) } as never
        },
        dependsOn: [{ collection: members, criteria: { user: '@user' } }],
      },
    )
    const stream = await open('ann', [room('a')])
    await members.deleteOne({ _id: 1 })
    await eventually(() => stream.of('error').length === 1, 'the refusal')
    await store.collection('messages').insertOne({ _id: 3, room: 'a', text: 'secret' })
    await handler?.server.refresh()
    expect(refusals(stream)).to.deep.equal([[room('a'), 'FORBIDDEN']])
    expect(sourcesOf(stream)).to.deep.equal([])
    expect(JSON.stringify(stream.events)).to.not.include('secret')
    expect(errors).to.deep.equal([])
  })

  it('are asked of what allow says about the newest identity', async () => {
    const asked: unknown[] = []
    let rank = 1
    await serve(
      {
        allow: async (identity: { rank: number }) => {
          asked.push(identity.rank)
          return identity.rank > 0
        },
      },
      { identityLookup: (({ user }: { user: string }) => ({ user, rank: rank++ })) as never },
    )
    const stream = await open('ann', [room('a')])
    await handler?.server.refresh()
    expect(asked).to.deep.equal([1, 2])
    rank = 0
    await handler?.server.refresh()
    await eventually(() => stream.of('error').length === 1, 'the refusal')
    expect(asked).to.deep.equal([1, 2, 0])
  })

  it('end with the stream where they are revoked', async () => {
    await serve({})
    const stream = await open('ann', [room('a'), room('b')])
    handler?.server.revoke(((identity: { user: string }) => identity.user === 'ann') as never)
    await eventually(() => stream.ended(), 'the end')
    expect(stream.names().at(-1)).to.equal('revoked')
    await eventually(() => handler?.server.stats().views === 0, 'no view')
  })

  it('follow a relation beside the parameters', async () => {
    const members = store.collection('members')
    const rooms = related('@user').through('members', 'user', 'room')
    await serve({ criteria: { room: ':room', $and: [{ room: rooms }] } }, { cacheConfig: { members: {} } })
    const stream = await open('ann', [room('a'), room('b')])
    expect([idsOf(stream, room('a')), idsOf(stream, room('b'))]).to.deep.equal([[1], []])
    const changes = () =>
      stream
        .of('delta')
        .flatMap(({ data }) =>
          data.oplist.map(({ operation, id }: { operation: string; id: number }) => [
            data.root,
            operation,
            id,
          ]),
        )
    await members.insertOne({ _id: 2, user: 'ann', room: 'b' })
    await eventually(() => changes().length === 1, 'the room that came')
    await members.deleteOne({ _id: 1 })
    await eventually(() => changes().length === 2, 'the room that went')
    expect(changes()).to.deep.equal([
      [room('b'), 'set', 2],
      [room('a'), 'unset', 1],
    ])
    expect(errors).to.deep.equal([])
  })

  it('are refused by a criteria that returns null, and by one that stops to return a query', async () => {
    let isOpen = true
    await serve({
      criteria: (_: unknown, params: { room: string }) =>
        params.room === 'b' || !isOpen ? null : { room: params.room },
    })
    const stream = await open('ann', [room('a'), room('b')])
    expect(refusals(stream)).to.deep.equal([[room('b'), 'FORBIDDEN']])
    isOpen = false
    await handler?.server.refresh()
    await eventually(() => stream.of('error').length === 2, 'the second refusal')
    expect(sourcesOf(stream)).to.deep.equal([])
  })

  it('are not given by an allow that fails, hangs or answers neither true nor false', async () => {
    const answers = new Map<string, () => unknown>([
      [
        'throws',
        () => {
          throw new Error('a secret of the database')
        },
      ],
      ['rejects', () => Promise.reject(new Error('a secret of the database'))],
      ['truthy', () => 1],
      ['nothing', () => undefined],
      ['fine', () => true],
    ])
    await serve({ allow: (_: unknown, { room }: { room: string }) => answers.get(room)?.() })
    const stream = await open('ann', [...answers.keys()].map(room))
    const unavailable = ['throws', 'rejects', 'truthy', 'nothing'].map((name) => [room(name), 'UNAVAILABLE'])
    expect(refusals(stream)).to.have.deep.members(unavailable)
    expect(errors.length).to.be.within(1, 4)
    expect(JSON.stringify(stream.events)).to.not.include('secret')
  })

  it('do not wait for a schema that never answers', async function () {
    this.timeout(12_000)
    const never = { '~standard': { version: 1, vendor: 'spec', validate: () => new Promise(() => {}) } }
    await serve({ params: { room: never } })
    const { token } = await shake(`${app.url}/particle`, { user: 'ann' })
    const address = `${app.url}/particle/stream?watch=${encodeURIComponent(JSON.stringify([room('a')]))}`
    const stream = await readStream(address, { Authorization: `Bearer ${token}` })
    streams.push(stream)
    await eventually(() => stream.of('ready').length === 1, 'ready', 8_000)
    expect(refusals(stream)).to.deep.equal([[room('a'), 'UNAVAILABLE']])
  })

  it('are asked for as many roots as a client may watch, and no more', async () => {
    let asked = 0
    await serve({
      allow: () => {
        asked++
        return false
      },
    })
    const stream = await open('ann', [])
    const { token } = await shake(`${app.url}/particle`, { user: 'ann' })
    const response = await fetch(`${app.url}/particle/stream`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ token, watch: Array.from({ length: 500 }, (_, number) => room(`${number}`)) }),
    })
    let text = ''
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString()
      if (text.includes('event: ready') && text.split('LIMIT_EXCEEDED').length === 401) break
    }
    expect(stream.of('error')).to.deep.equal([])
    expect(asked).to.equal(100)
  })

  const HOSTILE: readonly unknown[] = [
    { $ne: null },
    { $gt: '' },
    ['a', 'b'],
    null,
    1,
    true,
    'x'.repeat(257),
    { toString: 'a' },
    [],
    '\u0000',
    '\ud800',
  ]
  for (const value of HOSTILE) {
    const text = JSON.stringify(value)
    it(`never come from ${text.length > 40 ? `${text.slice(0, 20)}…` : text} in place of a text`, async () => {
      await serve({})
      const stream = await open('ann', [room(value)])
      expect(refusals(stream)).to.deep.equal([[room(value), 'INVALID_PARAMS']])
      expect(stream.of('payload')).to.deep.equal([])
      expect(errors).to.deep.equal([])
    })
  }

  for (const name of [
    'messages?',
    'messages?{}',
    'messages?[]',
    'messages?{"room":"a","room":"b"}',
    'messages?{"room":"a","other":1}',
    'messages?{"__proto__":"a"}',
    'messages?{"__proto__":{"room":"a"}}',
    'messages?{"room":"a"} ',
    'messages',
    '__proto__?{"room":"a"}',
    'constructor?{}',
    `messages?{"room":"a"${' '.repeat(2000)}}`,
  ]) {
    it(`never come from the name ${name.slice(0, 40)}`, async () => {
      await serve({})
      const stream = await open('ann', [name])
      expect(refusals(stream)).to.deep.equal([[name, 'INVALID_PARAMS']])
      expect(errors).to.deep.equal([])
    })
  }
})
