import { expect } from 'chai'
import { Server } from '../../../lib/server/index.ts'
import type { Change } from '../../../lib/source/source.ts'
import { LocalClient, until } from '../../support/local.ts'
import { redisOrSkip } from '../../support/redis.ts'
import { Copy, closeAll, Recorder } from '../mongo/fold.ts'
import { type Client, connect, freshAdapter, freshPrefix, readAll, removeAll } from './harness.ts'

const idOf = (change: Change) => ('id' in change ? change.id : null)

describe('source/redis by a stream', () => {
  let url: string
  let client: Client
  let prefix: string
  let stream: string
  const open: { close(): Promise<void> }[] = []
  const clients: Client[] = []

  before(async function () {
    url = (await redisOrSkip(this)).url
    client = await connect(url)
  })

  beforeEach(() => {
    prefix = freshPrefix()
    stream = `${prefix}changes`
  })

  afterEach(async () => {
    await closeAll(open as never)
    await removeAll(client, prefix)
    for (const other of clients.splice(0)) if (other.isOpen) other.destroy()
  })

  after(() => client?.destroy())

  async function follow(from?: string, on = client, options = {}) {
    const adapter = freshAdapter(on, { prefix, ...options })
    adapter.collection('users', { fields: { visits: 'number', tags: 'json' } })
    const recorder = new Recorder()
    const subscription = await adapter.open(recorder, from)
    open.push(subscription)
    return { adapter, recorder, subscription, users: adapter.collection('users') }
  }

  async function node() {
    const other = await connect(url)
    clients.push(other)
    return other
  }

  it('resumes on another node, with all that came meanwhile and nothing twice', async () => {
    const { users, recorder, subscription } = await follow()
    await users.set('ann', { name: 'Ann' })
    await users.set('bo', { name: 'Bo' })
    await recorder.until(() => recorder.changesSeen.length === 2)
    await subscription.close()
    await users.update('ann', { visits: 1 })
    await users.delete('bo')
    const from = recorder.changesSeen[0]?.position ?? ''
    const other = await follow(from, await node())
    expect(other.subscription.position).to.equal(from)
    expect(other.adapter.store).to.equal(freshAdapter(client, { prefix }).store)
    await other.recorder.until(() => other.recorder.changesSeen.length === 3)
    expect(other.recorder.changesSeen.map((change) => [change.kind, idOf(change)])).to.deep.equal([
      ['insert', 'bo'],
      ['update', 'ann'],
      ['delete', 'bo'],
    ])
    expect(other.recorder.changesSeen[0]).to.deep.equal(recorder.changesSeen[1])
    expect(other.recorder.position).to.equal(other.subscription.head)
  })

  it('tells nobody of a set or update of hidden fields alone, nor of the same document', async () => {
    const adapter = freshAdapter(client, { prefix })
    for (const type of ['hash', 'json'] as const) {
      const users = adapter.collection(type, { type, fields: { tags: 'json' } })
      const server = new Server({
        dataSources: { users: { manifest: { name: true, tags: { title: true } }, collection: users } },
      })
      open.push({ close: () => server.disconnect() })
      await users.set('ann', { name: 'Ann', secret: 'a', tags: [{ title: 'x', note: 'a' }] })
      const seen = await LocalClient.connect(server)
      await until(() => seen.ready)
      await users.set('ann', { name: 'Ann', secret: 'b', tags: [{ title: 'x', note: 'b' }] })
      await users.set('ann', { name: 'Ann', secret: 'b', tags: [{ title: 'x', note: 'b' }] })
      await users.update('ann', { secret: 'c' })
      await users.set('ann', { name: 'Anna', secret: 'c', tags: [{ title: 'x', note: 'b' }] })
      await until(() => seen.of('delta').length > 0)
      expect(seen.of('delta').map(({ data }) => data.oplist)).to.deep.equal([
        [{ operation: 'set', id: 'ann', path: 'name', data: 'Anna' }],
      ])
    }
  })

  it('tells a number that is too large as null, as it is read', async () => {
    const { adapter, users, recorder } = await follow()
    await users.set('ann', { visits: 1, tags: [1e308] })
    await users.update('ann', [{ operation: 'mul', path: 'tags.0', data: 10 }])
    await client
      .multi()
      .hSet(`${prefix}users:bo`, 'tags', '{"n":-1e400}')
      .xAdd(stream, '*', { key: `${prefix}users:bo`, hash: '{"tags":"{\\"n\\":-1e400}"}' })
      .xAdd(stream, '*', { key: `${prefix}users:bo`, document: '{"tags":{"n":-1e400}}' })
      .exec()
    await recorder.until(() => recorder.changesSeen.length === 4)
    const told = recorder.changesSeen.flatMap((change) => ('id' in change ? change.operations : []))
    expect(told.slice(1).map(({ path, data }) => [path, data])).to.deep.equal([
      ['tags.0', null],
      ['tags', { n: null }],
      ['.', { _id: 'bo', tags: { n: null } }],
    ])
    expect(await readAll(adapter, 'users')).to.deep.equal([
      { _id: 'ann', visits: 1, tags: [null] },
      { _id: 'bo', tags: { n: null } },
    ])
    const sum = await users
      .update('ann', [
        { operation: 'set', path: 'visits', data: 1e308 },
        { operation: 'mul', path: 'visits', data: 10 },
      ])
      .catch((error: Error) => error.message)
    expect(sum).to.include("'visits' is null, but is declared as 'number'")
  })

  it('opens at a position of the past, and at the oldest one where the stream is younger', async () => {
    const { adapter, users, recorder } = await follow()
    await users.set('ann', { name: 'Ann' })
    await recorder.until(() => recorder.changesSeen.length === 1)
    await new Promise((resolve) => setTimeout(resolve, 300))
    await users.set('bo', { name: 'Bo' })
    const past = await adapter.past?.(150)
    expect(past).to.equal(recorder.changesSeen[0]?.position)
    const oldest = await adapter.past?.(3_600_000)
    const { recorder: again, subscription } = await follow(oldest)
    expect(subscription.position).to.equal(oldest)
    await again.until(() => again.changesSeen.length === 2)
  })

  it('starts from now, and says so, where the stream was trimmed past the position', async () => {
    const { users, recorder, subscription } = await follow()
    for (let id = 0; id < 10; id++) await users.set(`${id}`, { id: `${id}` })
    await recorder.until(() => recorder.changesSeen.length === 10)
    await subscription.close()
    await client.xTrim(stream, 'MAXLEN', 3)
    const [trimmed, kept] = [6, 7].map((index) => recorder.changesSeen[index]?.position ?? '')
    const late = await follow(trimmed)
    expect(late.subscription.position).to.equal(recorder.changesSeen[9]?.position)
    const early = await follow(kept)
    expect(early.subscription.position).to.equal(kept)
    await early.recorder.until(() => early.recorder.changesSeen.length === 2)
    expect(late.recorder.changesSeen).to.deep.equal([])
  })

  it('says that the history is lost where the stream is trimmed before it was read, or deleted', async () => {
    const { users, recorder, adapter } = await follow()
    const nextId = async () => {
      const [milliseconds, sequence] = String((await client.xInfoStream(stream))['last-generated-id']).split(
        '-',
      )
      return `${milliseconds}-${Number(sequence) + 1}`
    }
    const gaps = [
      async () => await client.multi().xAdd(stream, '*', { key: 'x' }).xTrim(stream, 'MAXLEN', 0).exec(),
      async () => await client.del(stream),
      async () => {
        const id = await nextId()
        await client.multi().xAdd(stream, id, { key: 'x' }).xDel(stream, id).exec()
      },
    ]
    for (const [index, gap] of gaps.entries()) {
      await gap()
      await recorder.until(() => recorder.losses.length === index + 1)
      await users.set(`after${index}`, { name: 'x' })
      await recorder.until(() => recorder.changesSeen.length === index + 1)
      expect(recorder.changesSeen.map(idOf).at(-1)).to.equal(`after${index}`)
      expect(adapter.compare(recorder.losses.at(-1)?.position ?? '', recorder.position)).to.be.below(0)
    }
    expect(recorder.losses.at(-1)?.reason).to.include('has lost entries')
  })

  it('keeps about as many entries as maxLength says', async () => {
    const { users } = await follow(undefined, client, { maxLength: 100 })
    for (let i = 0; i < 60; i++)
      await Promise.all(Array.from({ length: 10 }, (_, at) => users.set(`${at}`, { i: `${i}` })))
    expect(await client.xLen(stream)).to.be.within(100, 250)
  })

  it('tells a hash as its fields say, and the fields that are gone', async () => {
    const { users, recorder, adapter } = await follow()
    await users.set('ann', { name: 'Ann', visits: 1, tags: ['a'], city: 'Rome' })
    await users.update('ann', { city: undefined, 'tags.1': 'b' })
    await users.update('ann', [{ operation: 'inc', path: 'visits', data: 2 }])
    await recorder.until(() => recorder.changesSeen.length === 3)
    expect(await client.hGetAll(`${prefix}users:ann`)).to.deep.include({
      name: 'Ann',
      visits: '3',
      tags: '["a","b"]',
    })
    expect(
      recorder.changesSeen.flatMap((change) => ('operations' in change ? change.operations : [])),
    ).to.deep.equal([
      {
        operation: 'set',
        path: '.',
        data: { _id: 'ann', name: 'Ann', visits: 1, tags: ['a'], city: 'Rome' },
      },
      { operation: 'set', path: 'tags', keys: ['tags'], data: ['a', 'b'] },
      { operation: 'unset', path: 'city', keys: ['city'] },
      { operation: 'set', path: 'visits', keys: ['visits'], data: 3 },
    ])
    expect(recorder.changesSeen[2]).to.deep.include({
      document: { _id: 'ann', name: 'Ann', visits: 3, tags: ['a', 'b'] },
    })
    expect(await readAll(adapter, 'users')).to.deep.equal([
      { _id: 'ann', name: 'Ann', visits: 3, tags: ['a', 'b'] },
    ])
  })

  it('tells what applications append themselves, as much as their entries say', async () => {
    const { recorder } = await follow()
    const key = `${prefix}users:ann`
    await client.multi().hSet(key, { name: 'Ann', visits: '1' }).xAdd(stream, '*', { key }).exec()
    await recorder.until(() => recorder.changesSeen.length === 1)
    await client
      .multi()
      .hSet(key, 'visits', '2')
      .hDel(key, 'name')
      .xAdd(stream, '*', { key, hash: '{"visits":"2","name":null}' })
      .exec()
    const document3 = '{"visits":3,"_id":"other"}'
    await client.multi().hSet(key, 'visits', '3').xAdd(stream, '*', { key, document: document3 }).exec()
    await client.xAdd(stream, '*', { key, document: '{not JSON' })
    await client.xAdd(stream, '*', { key: `${prefix}strangers:1`, kind: 'delete' })
    await client.xAdd(stream, '*', { something: 'else' })
    await client.multi().del(key).xAdd(stream, '*', { key, kind: 'delete' }).exec()
    await client.xAdd(stream, '*', { prefix: `${prefix}users:`, kind: 'reload' })
    await client.xAdd(stream, '*', { prefix: `${prefix}users:`, kind: 'clear' })
    await recorder.until(() => recorder.changesSeen.some(({ kind }) => kind === 'clear'))
    const [whole, fields, document, ...rest] = recorder.changesSeen
    expect(whole).to.deep.include({
      kind: 'replace',
      id: 'ann',
      document: { _id: 'ann', name: 'Ann', visits: 1 },
    })
    expect(fields).to.deep.include({
      kind: 'update',
      operations: [
        { operation: 'set', path: 'visits', keys: ['visits'], data: 2 },
        { operation: 'unset', path: 'name', keys: ['name'] },
      ],
    })
    expect(document).to.deep.include({ kind: 'replace', document: { _id: 'ann', visits: 3 } })
    // The entry that can't be understood was looked up: as it was then, which may be gone already.
    expect(rest.map(({ kind }) => kind).slice(1)).to.deep.equal(['delete', 'reload', 'clear'])
    expect(rest[0]?.kind).to.be.oneOf(['replace', 'delete'])
    expect(recorder.errors).to.deep.equal([])
  })

  it('shows at once what a transaction of the application touched, also a RENAME', async () => {
    const { users, recorder } = await follow()
    await users.set('ann', { name: 'Ann' })
    await users.set('bo', { name: 'Bo' })
    await recorder.until(() => recorder.changesSeen.length === 2)
    const multi = client
      .multi()
      .rename(`${prefix}users:ann`, `${prefix}users:anna`)
      .hSet(`${prefix}users:bo`, 'name', 'Bob')
    await users.touch(multi, 'ann', 'anna', 'bo').exec()
    await recorder.until(() => recorder.changesSeen.length === 5)
    const told = recorder.changesSeen.slice(2)
    expect(told.map((change) => [change.kind, idOf(change)])).to.deep.equal([
      ['delete', 'ann'],
      ['replace', 'anna'],
      ['replace', 'bo'],
    ])
    expect(new Set(told.map(({ transaction }) => transaction)).size).to.equal(1)
    expect(told[0]?.transaction).to.be.a('string')
    await users.touch(client.multi().hSet(`${prefix}users:bo`, 'name', 'Bo'), 'bo').exec()
    await recorder.until(() => recorder.changesSeen.length === 6)
    expect(recorder.changesSeen[5]?.transaction).not.to.equal(told[0]?.transaction)
  })

  it('never leads back to a state that was over where a document is looked up late', async () => {
    const { users, recorder, subscription } = await follow()
    await users.set('ann', { n: '0' })
    await recorder.until(() => recorder.changesSeen.length === 1)
    await subscription.close()
    const key = `${prefix}users:ann`
    for (const n of ['1', '2', '3']) {
      await users.touch(client.multi().hSet(key, 'n', n), 'ann').exec()
      await users.update('ann', { n: `${n}.5` })
    }
    const late = await follow(recorder.position)
    await late.recorder.until(() => late.recorder.changesSeen.length === 6)
    expect(late.recorder.changesSeen.map((change) => 'document' in change && change.document)).to.deep.equal(
      Array(6).fill({ _id: 'ann', n: '3.5' }),
    )
  })

  it('tells the end of a document that expires, once, whichever node is there', async () => {
    const { users, recorder } = await follow()
    const other = await follow(undefined, await node())
    await users.set('short', { name: 'x' }, { PX: 500 })
    await users.set('kept', { name: 'y' }, { PX: 500 })
    await users.set('kept', { name: 'z' })
    await users.set('late', { name: 'l' })
    expect(await users.expire('late', 0.06)).to.equal(true)
    expect(await users.expire('nobody', 1)).to.equal(false)
    await users.update('short', { name: 'X' })
    expect(await client.pTTL(`${prefix}users:short`)).to.be.within(0, 500)
    for (const { recorder: one } of [{ recorder }, other]) {
      await one.until(() => one.changesSeen.filter(({ kind }) => kind === 'delete').length === 2)
      await new Promise((resolve) => setTimeout(resolve, 50))
      const deleted = one.changesSeen.filter(({ kind }) => kind === 'delete').map(idOf)
      expect(deleted.sort()).to.deep.equal(['late', 'short'])
    }
    expect(await client.zCard(`${stream}:expiries`)).to.equal(0)
  })

  it('tells on a resume what expired while nobody followed', async () => {
    const { users, recorder, subscription } = await follow()
    await users.set('short', { name: 'x' }, { PX: 50 })
    await recorder.until(() => recorder.changesSeen.length === 1)
    await subscription.close()
    await new Promise((resolve) => setTimeout(resolve, 100))
    const later = await follow(recorder.position, await node())
    expect(later.subscription.position).to.equal(recorder.position)
    await later.recorder.until(() => later.recorder.changesSeen.length === 1)
    expect(later.recorder.changesSeen.map((change) => [change.kind, idOf(change)])).to.deep.equal([
      ['delete', 'short'],
    ])
  })

  it('lets many write one document at the same time, and loses nothing', async () => {
    const { users, recorder } = await follow()
    await users.set('n', { visits: 0, log: '' })
    const others = [users, (await follow(undefined, await node())).users]
    await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        others[index % 2]?.update('n', [{ operation: 'inc', path: 'visits', data: 1 }]),
      ),
    )
    expect(await client.hGet(`${prefix}users:n`, 'visits')).to.equal('40')
    await recorder.until(() => recorder.changesSeen.length === 41)
    const copy = new Copy()
    copy.apply(recorder.changesSeen)
    expect(copy.sorted('users')).to.deep.equal([{ _id: 'n', visits: 40, log: '' }])
  })

  it('tells thousands of changes in order, and reads as many documents', async () => {
    const { users, recorder, adapter } = await follow()
    const ids = Array.from({ length: 3000 }, (_, index) => `${index}`)
    for (let start = 0; start < ids.length; start += 500)
      await Promise.all(ids.slice(start, start + 500).map((id) => users.set(id, { name: `user ${id}` })))
    await recorder.until(() => recorder.changesSeen.length === ids.length)
    expect(recorder.changesSeen.map(idOf)).to.deep.equal(ids)
    expect(await readAll(adapter, 'users')).to.have.length(ids.length)
  })

  it('refuses to open where trying again cannot help', async () => {
    await client.set(stream, 'a string')
    const failure = await follow().catch((error: unknown) => error)
    expect(String(failure)).to.include('WRONGTYPE')
    const closed = await node()
    closed.destroy()
    const error = await follow(undefined, closed).catch((reason: unknown) => reason)
    expect(error).to.include({ code: 'SOURCE_FAILED' })
    expect(String(error)).to.include('client.connect()')
  })
})
