import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { Server } from '../../../lib/server/index.ts'
import { redisOrSkip } from '../../support/redis.ts'
import { openStream, type SseReader } from '../../support/sse.ts'
import { type Client, connect, freshAdapter, freshPrefix, removeAll } from './harness.ts'

describe('source/redis under servers that share it', () => {
  let url: string
  let client: Client
  let prefix: string
  const ends: (() => Promise<unknown> | unknown)[] = []

  before(async function () {
    url = (await redisOrSkip(this)).url
    client = await connect(url)
  })

  beforeEach(() => {
    prefix = freshPrefix()
  })

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
    await removeAll(client, prefix)
  })

  after(() => client?.destroy())

  /** A node as a process of its own would be: its own connections, and nothing known of others but the secret. */
  async function node(stream: boolean, criteria?: Record<string, unknown>) {
    const own = await connect(url)
    const collection = freshAdapter(own, { prefix }, stream).collection('users', { fields: { n: 'number' } })
    const source = { manifest: { name: true, n: true }, collection } as const
    const server = new Server({
      secret: 'the secret of all nodes',
      dataSources: { users: criteria ? { ...source, criteria } : source },
    })
    const listening = http.createServer(server.middleware()).listen(0)
    await once(listening, 'listening')
    ends.push(
      () => own.destroy(),
      () => server.disconnect(),
      () => listening.close(),
    )
    return `http://localhost:${(listening.address() as AddressInfo).port}/particle/stream`
  }

  async function reader(node: string, last?: SseReader) {
    const id = last?.events
      .map((event) => event.id)
      .filter(Boolean)
      .at(-1)
    const stream = await openStream(node, id ? { 'Last-Event-ID': id } : {})
    ends.push(() => stream.close())
    await stream.next('ready')
    return stream
  }

  const resumed = ({ events: [manifest] }: SseReader) =>
    manifest?.event === 'manifest' && manifest.data.resumed
  const told = ({ events }: SseReader) =>
    events.flatMap((event) =>
      event.event === 'delta'
        ? event.data.oplist.map(({ id, operation, path }) => `${operation} ${id} ${path}`)
        : [],
    )

  it('resume on each other by a stream, also what was touched and what expired', async () => {
    const users = freshAdapter(client, { prefix }).collection('users', {
      fields: { n: 'number' },
    })
    await users.set('ann', { name: 'Ann', n: 1 })
    await users.set('short', { name: 'Short' }, { PX: 400 })
    const first = await reader(await node(true))
    await users.update('ann', { n: 2 })
    await first.next('delta')
    first.close()
    await users.update('ann', { name: 'Anna' })
    await users.touch(client.multi().hSet(`${prefix}users:cy`, { name: 'Cy' }), 'cy').exec()
    await new Promise((resolve) => setTimeout(resolve, 450))
    const back = await reader(await node(true), first)
    expect(resumed(back)).to.equal(true)
    expect(back.names()).not.to.include('payload')
    expect(told(back)).to.deep.equal(['set ann name', 'set cy .', 'unset short .'])
  })

  it('resume rows of a criteria, where the writes tell what was there before', async () => {
    const users = freshAdapter(client, { prefix }).collection('users', {
      fields: { n: 'number' },
    })
    for (const [id, team] of [
      ['ann', 'red'],
      ['bo', 'blue'],
      ['cy', 'red'],
      ['di', 'red'],
      ['ed', 'blue'],
    ] as const)
      await users.set(id, { name: id, team })
    const first = await reader(await node(true, { team: 'red' }))
    first.close()
    await users.update('ann', { name: 'Anna' })
    await users.update('bo', { team: 'red' })
    await users.update('cy', { team: 'blue' })
    await users.delete('di')
    await users.delete('ed')
    await users.set('ed', { name: 'never seen', team: 'blue' })
    const back = await reader(await node(true, { team: 'red' }), first)
    expect(resumed(back)).to.equal(true)
    expect(back.names()).not.to.include('payload')
    expect(
      told(back)
        .map((one) => one.split(' ').slice(0, 2).join(' '))
        .sort(),
    ).to.deep.equal(['set ann', 'set bo', 'unset cy', 'unset di'])
    expect(back.raw).not.to.include('"ed"')
  })

  it('reset who comes from another, by notifications', async () => {
    const users = freshAdapter(client, { prefix }, false).collection('users', {
      fields: { n: 'number' },
    })
    await users.set('ann', { name: 'Ann', n: 1 })
    const first = await reader(await node(false))
    first.close()
    const back = await reader(await node(false), first)
    expect(resumed(back)).to.equal(false)
    expect(back.names()).to.include('payload')
  })
})
