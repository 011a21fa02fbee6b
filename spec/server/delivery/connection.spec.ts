import { expect } from 'chai'
import type { Document } from '../../../lib/model/document.ts'
import { decode } from '../../../lib/protocol/decode.ts'
import { Connection } from '../../../lib/server/delivery/connection.ts'
import type { ResumePlan } from '../../../lib/server/delivery/resume.ts'
import { yieldToEventLoop } from '../../../lib/server/support/scheduling.ts'
import type { View } from '../../../lib/server/view/view.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import type { Query } from '../../../lib/source/source.ts'
import { CountingAdapter } from '../../support/counting.ts'
import {
  connectionHost,
  feedOf,
  silentTrace,
  type ViewOptions,
  viewOf as viewIn,
} from '../../support/feed.ts'
import { until } from '../../support/local.ts'
import { ModelReader } from '../../support/model-reader.ts'
import { eventReceiver } from '../../support/receiver.ts'
import { StoppingSink } from '../../support/sinks.ts'

/** A client that reads when the spec lets it, and applies what it reads. */
class Client extends StoppingSink {
  // biome-ignore lint/suspicious/noExplicitAny: specs read the fields that they expect.
  readonly events: { name: string; data: any; id: string | undefined }[] = []
  /** The position that it would come back with. */
  position = ''
  ended = 0
  readonly #reader = new ModelReader()

  override end(): void {
    this.ended++
  }
  get model() {
    return this.#reader.model
  }
  get names(): string[] {
    return this.events.map((event) => event.name)
  }
  of(name: string) {
    return this.events.filter((event) => event.name === name)
  }
  get ready(): boolean {
    return this.names.lastIndexOf('ready') > this.names.lastIndexOf('reset')
  }

  protected readonly receive = eventReceiver(
    (name, data, id) => {
      expect(decode(name, JSON.stringify(data), id), name).not.to.equal(undefined)
      // Rights that were not changed go by the names of the views.
      this.events.push({ name, data, id: id?.replace(/:r-[\w-]*$/, '') })
      if (id !== undefined) this.position = id
      this.#reader.take(name, data)
    },
    (error) => {
      throw error
    },
  )
}

const NEW: ResumePlan = { presented: false, reasonFor: () => 'history-lost' }

describe('server/connection', () => {
  const setUp = async ({ maxBufferedBytes = 1e6, count = 3, size = 0, bytes = 1e7 } = {}) => {
    const store = memory()
    const adapter = new CountingAdapter(store)
    const users = store.collection('users')
    const text = 'x'.repeat(size)
    await users.insertMany(Array.from({ length: count }, (_, _id) => ({ _id, name: `user ${_id}`, text })))
    const place = feedOf(adapter, { bytes, point: (at) => `id${at}` })
    const { log, feed } = place
    const errors: [string, string][] = []
    const left: string[] = []
    const host = connectionHost(log, {
      maxBufferedBytes,
      left: (view) => void left.push(view.key),
      onError: (error, root) => errors.push([root, (error as Error).message]),
    })
    const viewOf = (root: string, options: ViewOptions = {}) => viewIn(place, { key: root, root, ...options })
    let closed = 0
    const connect = (views: readonly View[], start: ResumePlan = NEW, client = new Client()) => {
      const connection = new Connection(
        client,
        views,
        `r-${views.map(({ key }) => key).join('-')}`,
        host,
        silentTrace(() => closed++),
      )
      connection.start(start)
      return { client, connection }
    }
    const connected = async (...views: View[]) => {
      const both = connect(views)
      await until(() => both.client.ready)
      return both
    }
    const update = (n: number, id = 1) => users.updateOne({ _id: id }, { $set: { n } })
    /** Holds readings up until the returned function is called. */
    const hold = () => {
      let open = () => {}
      const gate = new Promise<void>((resolve) => {
        open = resolve
      })
      adapter.gate = () => gate
      return () => {
        adapter.gate = undefined
        open()
      }
    }
    const truth = (query: Query = {}) => users.find(query).toArray()
    const closes = () => closed
    /** Lets the source lose what is written meanwhile. */
    const lose = async (write: () => unknown = () => {}) => {
      const { listener } = adapter
      if (!listener) throw new Error('not open')
      const { changes } = listener
      listener.changes = () => {}
      await write()
      listener.changes = changes
      listener.lost('gone', (await store.read('users', {}, () => {})).to)
    }
    return {
      ...{ adapter, users, log, feed, host, errors, left, viewOf, connect, connected, update },
      ...{ hold, truth, closes, lose },
    }
  }
  /** Events in short: name, root (and what is said of it), id. */
  const told = (client: Client, from = 0) =>
    client.events
      .slice(from)
      .map(({ name, data, id }) => [
        [name, data.root, data.reason].filter((part) => part !== undefined).join(' '),
        ...(id === undefined ? [] : [id]),
      ])

  describe('a new client', () => {
    it('gets the manifest first, then the roots, then ready', async () => {
      const { viewOf, connected, truth } = await setUp()
      const { client } = await connected(viewOf('one', { manifest: { name: true } }), viewOf('two'))
      expect(client.names).to.deep.equal(['manifest', 'payload', 'payload', 'ready'])
      expect(client.events[0]?.data).to.deep.include({
        protocol: 2,
        resumed: false,
        sources: { one: { name: true }, two: true },
      })
      expect(client.events[0]?.data).not.to.have.property('reason')
      expect(client.model.two).to.deep.equal(await truth())
    })

    it('is ready at once when it sees nothing', async () => {
      const { connect } = await setUp()
      const { client, connection } = connect([])
      expect(connection.ready).to.equal(true)
      await yieldToEventLoop()
      expect(client.names).to.deep.equal(['manifest', 'ready'])
    })

    it('gets no id while a root is loading, and is ready after the last one', async () => {
      const { viewOf, connect, update, hold, adapter } = await setUp()
      const [fast, slow] = [viewOf('fast'), viewOf('slow')]
      await fast.snapshot()
      const release = hold()
      const { client, connection } = connect([fast, slow])
      await until(() => client.of('payload').length === 1 && adapter.reads === 2)
      await yieldToEventLoop()
      await update(1)
      await until(() => client.of('delta').length === 1)
      expect(client.events.map((event) => event.id)).to.deep.equal([undefined, undefined, undefined])
      expect(connection.ready).to.equal(false)
      release()
      await until(() => client.ready)
      expect(client.events.at(-1)).to.deep.include({ name: 'ready', id: 'id1' })
      expect(connection.ready).to.equal(true)
    })

    it('gets an id with every delta once it is ready', async () => {
      const { viewOf, connected, update } = await setUp()
      const { client } = await connected(viewOf('users'))
      await update(1)
      await yieldToEventLoop()
      await update(2)
      await yieldToEventLoop()
      expect(client.of('delta').map((event) => event.id)).to.deep.equal(['id1', 'id2'])
    })

    it('gets the snapshot at hand, brought to the present: nothing that was overwritten since it was read', async () => {
      const { viewOf, connected, update, adapter, truth } = await setUp()
      const view = viewOf('users')
      await connected(view)
      await update(1)
      const { client } = await connected(view)
      expect(client.names).to.deep.equal(['manifest', 'payload', 'ready'])
      expect(client.events.map((event) => event.id)).to.deep.equal([undefined, undefined, 'id1'])
      expect([client.model.users, adapter.reads]).to.deep.equal([await truth(), 1])
    })

    it('misses nothing that is written between the parts of a payload', async () => {
      const { users, viewOf, connect, truth } = await setUp({ count: 200, size: 2000 })
      const { client } = connect([viewOf('users')])
      let writes = 0
      while (!client.ready) {
        await users.updateOne({ _id: writes % 200 }, { $inc: { n: 1 } })
        writes++
        await yieldToEventLoop()
      }
      expect(client.of('payload').length).to.be.above(5)
      expect(client.model.users).to.deep.equal(await truth())
    })
  })

  describe('a change', () => {
    it('that touches two roots gives the id with the last frame, and takes the one before back until then', async () => {
      const { viewOf, connected, update } = await setUp()
      const { client } = await connected(viewOf('one'), viewOf('two'))
      await update(1)
      await update(2)
      await yieldToEventLoop()
      expect(client.of('delta').map((event) => [event.data.root, event.id])).to.deep.equal([
        ['one', 'none'],
        ['two', 'id1'],
        ['one', 'none'],
        ['two', 'id2'],
      ])
    })

    it('that shows in one root and resets the other takes the id back', async () => {
      const { adapter, feed, viewOf, connected } = await setUp()
      Object.assign(adapter, { lookup: undefined })
      const { client } = await connected(viewOf('one'), viewOf('two', { manifest: { name: true } }))
      const position = feed.position ?? ''
      const operations = [{ operation: 'rename' as const, path: 'text', data: 'name' }]
      const change = {
        kind: 'update' as const,
        position,
        timestamp: '',
        collection: 'users',
        id: 1,
        operations,
      }
      adapter.listener?.changes([change], position)
      await yieldToEventLoop()
      const events = client.events.slice(4, 6).map(({ name, data, id }) => [name, data.root, id])
      expect(events).to.deep.equal([
        ['delta', 'one', 'none'],
        ['reset', 'two', ''],
      ])
    })

    it('that touches none of its roots is not heard of', async () => {
      const { users, viewOf, connected, update } = await setUp()
      const { client } = await connected(viewOf('users', { query: { team: 'a' } }))
      await update(1)
      await users.insertOne({ _id: 9, team: 'a' })
      await yieldToEventLoop()
      expect(client.of('delta').map((event) => event.id)).to.deep.equal(['id2'])
    })
  })

  describe('a moment', () => {
    /** The roots of deltas and payloads, with what ends and does not end a moment. */
    const momentsOf = (client: Client, from: number) =>
      client.events.slice(from).map(({ name, data }) => {
        if (name !== 'delta') return [name, data.root].join(' ').trim()
        return `${data.more ? 'more' : 'end'} ${data.root}${data.oplist.length === 0 ? ', nothing' : ''}`
      })

    it('ends with the last root that a change shows in', async () => {
      const { viewOf, connected, update } = await setUp()
      const { client } = await connected(viewOf('one'), viewOf('two'), viewOf('three'))
      const from = client.events.length
      await update(1)
      await update(2)
      await yieldToEventLoop()
      const once = ['more one', 'more two', 'end three']
      expect(momentsOf(client, from)).to.deep.equal([...once, ...once])
    })

    it('is named by the roots of one adapter in the manifest, where there are several', async () => {
      const { viewOf, connected } = await setUp()
      const both = await connected(viewOf('one'), viewOf('two'))
      expect(both.client.events[0]?.data.together).to.deep.equal([['one', 'two']])
      const alone = await connected(viewOf('one'))
      expect(alone.client.events[0]?.data).not.to.have.property('together')
    })

    it('does not end while a root is loaded, and ends with ready', async () => {
      const { viewOf, connected, update, hold } = await setUp()
      const [one, two] = [viewOf('one'), viewOf('two')]
      const { client } = await connected(one, two)
      const from = client.events.length
      const release = hold()
      one.reload('gone')
      await update(1)
      await yieldToEventLoop()
      release()
      await until(() => client.ready)
      expect(momentsOf(client, from)).to.deep.equal(['reset one', 'more two', 'payload one', 'ready'])
    })

    it('does not end with a root whose change resets another one', async () => {
      const { adapter, feed, viewOf, connected } = await setUp()
      Object.assign(adapter, { lookup: undefined })
      const { client } = await connected(viewOf('one'), viewOf('two', { manifest: { name: true } }))
      const from = client.events.length
      const position = feed.position ?? ''
      const operations = [{ operation: 'rename' as const, path: 'text', data: 'name' }]
      const place = { position, timestamp: '', collection: 'users', id: 1 }
      adapter.listener?.changes([{ kind: 'update', ...place, operations }], position)
      await until(() => client.of('ready').length === 2)
      expect(momentsOf(client, from)).to.deep.equal(['more one', 'reset two', 'payload two', 'ready'])
    })

    it('ends without a root that fails, and then not before that root is there', async () => {
      const { adapter, viewOf, connected, update } = await setUp()
      const [one, two] = [viewOf('one'), viewOf('two')]
      const { client } = await connected(one, two)
      const from = client.events.length
      adapter.failures = [new Error('gone for a moment')]
      one.reload('gone')
      await until(() => client.of('error').length === 1)
      await update(1)
      await until(() => client.ready)
      expect(momentsOf(client, from)).to.deep.equal([
        ...['reset one', 'error one', 'end two, nothing'],
        ...['end two', 'payload one', 'ready'],
      ])
    })

    it('does not end before a root that failed and is loaded again: the client may not have got the error', async () => {
      const { adapter, viewOf, connected, update } = await setUp()
      const [one, two] = [viewOf('one'), viewOf('two')]
      const { client } = await connected(one, two)
      adapter.failures = [new Error('gone for a moment')]
      one.reload('gone')
      await until(() => client.of('error').length === 1)
      const from = client.events.length
      one.reload('gone again')
      await update(1)
      await until(() => client.ready)
      const moments = momentsOf(client, from)
      expect(moments.slice(0, moments.indexOf('payload one'))).to.deep.equal(['reset one', 'more two'])
    })

    it('is each change of a replay, where all roots go on from the same point', async () => {
      const { viewOf, connected, connect, update, log } = await setUp()
      const views = [viewOf('one'), viewOf('two')]
      const { connection } = await connected(...views)
      const points = new Map(views.map((view) => [view, log.head]))
      connection.close()
      await connected(...views)
      await update(1)
      await update(2)
      const { client } = connect(views, { presented: true, points, reasonFor: () => 'history-lost' })
      await until(() => client.ready)
      const once = ['more one', 'end two']
      expect(momentsOf(client, 1)).to.deep.equal([...once, ...once, 'ready'])
    })

    it('does not end in a replay while another root is loaded', async () => {
      const { viewOf, connected, connect, update, log } = await setUp()
      const [one, two] = [viewOf('one'), viewOf('two')]
      await connected(one)
      const points = new Map([[one, log.head]])
      await update(1)
      const { client } = connect([one, two], { presented: true, points, reasonFor: () => 'history-lost' })
      await until(() => client.ready)
      const moments = momentsOf(client, 1)
      expect(moments.filter((each) => each.startsWith('end'))).to.deep.equal([])
      expect(moments).to.include('more one')
    })
  })

  describe('a reset', () => {
    it('has an empty id, the reason and the root, and is followed by all of it', async () => {
      const { viewOf, connected, update } = await setUp()
      const [one, two] = [viewOf('one'), viewOf('two')]
      const { client, connection } = await connected(one, two)
      one.reload('gone')
      expect(connection.ready).to.equal(false)
      await until(() => client.of('ready').length === 2)
      await update(1)
      await yieldToEventLoop()
      expect(client.events.slice(4).map(({ name, data, id }) => [name, data.root, id])).to.deep.equal([
        ['reset', 'one', ''],
        ['payload', 'one', undefined],
        ['ready', undefined, 'id0'],
        ['delta', 'one', 'none'],
        ['delta', 'two', 'id1'],
      ])
      expect(client.of('reset')[0]?.data).to.deep.equal({ root: 'one', reason: 'gone' })
    })

    it('leaves the other roots without ids until it is over', async () => {
      const { viewOf, connected, update, hold } = await setUp()
      const [one, two] = [viewOf('one'), viewOf('two')]
      const { client } = await connected(one, two)
      const release = hold()
      one.reload('gone')
      await update(1)
      await yieldToEventLoop()
      expect(client.events.slice(5).map(({ name, data, id }) => [name, data.root, id])).to.deep.equal([
        ['delta', 'two', undefined],
      ])
      expect(client.position).to.equal('')
      release()
      await until(() => client.ready)
      expect(client.model.one).to.deep.equal(client.model.two)
    })

    it('that comes twice gives one complete payload and one ready', async () => {
      const { viewOf, connected, update, truth } = await setUp({ count: 200, size: 1000 })
      const view = viewOf('users')
      const { client, connection } = await connected(view)
      const before = client.events.length
      view.reload('once')
      view.reload('twice')
      await until(() => client.of('ready').length === 2)
      for (let i = 0; i < 10; i++) await yieldToEventLoop()
      const after = client.events.slice(before)
      expect(after.map((event) => event.data.reason ?? event.data.last ?? event.name)).to.deep.equal([
        'once',
        'twice',
        false,
        false,
        false,
        true,
        'ready',
      ])
      await update(1)
      await yieldToEventLoop()
      expect([connection.ready, client.model.users]).to.deep.equal([true, await truth()])
    })

    it('in the middle of a payload begins it anew', async () => {
      const { viewOf, connect, truth } = await setUp({ count: 200, size: 1000 })
      const view = viewOf('users')
      const { client, connection } = connect([view])
      while (client.of('payload').length === 0) await yieldToEventLoop()
      expect(client.ready).to.equal(false)
      view.reload('gone')
      await until(() => client.of('reset').length === 1 && client.ready)
      const parts = client.of('payload').map((event) => event.data.part)
      expect(parts.slice(parts.lastIndexOf(0))).to.deep.equal([0, 1, 2, 3])
      expect(client.of('payload').filter((event) => event.data.last).length).to.equal(1)
      expect([connection.ready, client.model.users]).to.deep.equal([true, await truth()])
    })
  })

  describe('a position', () => {
    /** The position at a sequence, as far as it holds for the views. */
    const at = (sequence: number, ...views: View[]): ResumePlan => ({
      presented: true,
      points: new Map(views.map((view) => [view, sequence])),
      reasonFor: () => 'rights-changed',
    })

    it('that holds is replayed, each entry with its id, and no payload is sent', async () => {
      const { viewOf, connected, connect, update } = await setUp()
      const views = [viewOf('one'), viewOf('two')]
      await connected(...views)
      for (const n of [1, 2, 3]) await update(n)
      const { client } = connect(views, at(1, ...views))
      await until(() => client.ready)
      expect(client.events.map(({ name, data, id }) => [name, data.root, id])).to.deep.equal([
        ['manifest', undefined, undefined],
        ['delta', 'one', 'none'],
        ['delta', 'two', 'id2'],
        ['delta', 'one', 'none'],
        ['delta', 'two', 'id3'],
        ['ready', undefined, 'id3'],
      ])
      expect(client.events[0]?.data.resumed).to.equal(true)
    })

    it('that holds for one root resets the other alone, and gives no id before both are there', async () => {
      const { viewOf, connected, connect, update } = await setUp()
      const views = [viewOf('one'), viewOf('two')]
      await connected(...views)
      for (const n of [1, 2]) await update(n)
      const { client } = connect(views, at(1, ...views.slice(0, 1)))
      await until(() => client.ready)
      expect(client.of('reset').map(({ data, id }) => [data, id])).to.deep.equal([
        [{ root: 'two', reason: 'rights-changed' }, ''],
      ])
      expect(client.of('payload').map((event) => event.data.root)).to.deep.equal(['two'])
      expect(client.of('delta').map((event) => event.id)).to.deep.equal(
        client.of('delta').map(() => undefined),
      )
    })

    it('gives no id of the past when a slow replay comes after a root that is there already', async () => {
      const { users, viewOf, connected, connect } = await setUp()
      const views = [viewOf('one'), viewOf('two', { manifest: { name: true } })]
      await connected(...views)
      for (let i = 0; i < 6; i++)
        await users.updateOne({ _id: 1 }, { $set: { text: `${i}`.repeat(50_000), name: `${i}` } })
      const slow = new Client()
      slow.stopped = true
      const { client } = connect(views, at(0, ...views.slice(0, 1)), slow)
      for (let turn = 0; turn < 20; turn++) await yieldToEventLoop()
      slow.stopped = false
      slow.read()
      await until(() => client.ready)
      expect(client.of('delta').length).to.be.above(5)
      for (const event of client.of('delta')) expect(event.id).to.equal(undefined)
      expect(client.events.at(-1)).to.deep.include({ name: 'ready', id: 'id6' })
    })

    it('that does not hold resets all roots, with the reason', async () => {
      const { viewOf, connect } = await setUp()
      const refused: ResumePlan = {
        presented: true,
        reason: 'position-unknown',
        reasonFor: () => 'position-unknown',
      }
      const { client } = connect([viewOf('one'), viewOf('two')], refused)
      await until(() => client.ready)
      expect(client.events[0]?.data).to.include({ resumed: false, reason: 'position-unknown' })
      const reset = (root: string) => ({ root, reason: 'position-unknown' })
      expect(client.of('reset').map((event) => event.data)).to.deep.equal([reset('one'), reset('two')])
    })

    it('whose replay meets a dropped collection resets the root', async () => {
      const { users, viewOf, connected, connect, update, truth } = await setUp()
      const view = viewOf('users')
      const first = await connected(view)
      await update(1)
      await users.drop()
      await users.insertOne({ _id: 5 })
      await until(() => first.client.ready)
      const { client } = connect([view], at(0, view))
      await until(() => client.ready)
      expect(client.of('reset').map((event) => event.data.reason)).to.deep.equal(['history-lost'])
      expect(client.model.users).to.deep.equal(await truth())
    })

    it('misses nothing that is written while it is replayed', async () => {
      const { users, viewOf, connected, connect, truth } = await setUp()
      const view = viewOf('users')
      await connected(view)
      const late = new Client()
      late.model.users = structuredClone(await truth())
      late.stopped = true
      const write = (i: number) =>
        users.updateOne({ _id: 1 }, { $set: { text: `${i}`.repeat(30_000) }, $push: { list: i } })
      for (let i = 0; i < 10; i++) await write(i)
      const { client } = connect([view], at(0, view), late)
      let turns = 0
      for (; !client.ready; turns++) {
        if (turns < 5) await write(10 + turns)
        await yieldToEventLoop()
        await yieldToEventLoop()
        client.read()
      }
      expect(turns).to.be.above(2)
      expect([client.of('payload'), client.of('reset')]).to.deep.equal([[], []])
      await yieldToEventLoop()
      client.read()
      expect(client.model.users).to.deep.equal(await truth())
    })
  })

  it('gets the changes of one turn in one event, also as the only client of its views', async () => {
    const { users, viewOf, connected, truth } = await setUp()
    const { client } = await connected(viewOf('users'))
    await Promise.all([1, 2, 3].map((text) => users.updateOne({ _id: 1 }, { $set: { text } })))
    await until(() => client.of('delta').length > 0)
    await yieldToEventLoop()
    expect(client.of('delta').map(({ data }) => data.oplist.length)).to.deep.equal([3])
    expect(client.model.users).to.deep.equal(await truth())
  })

  it('reads the source again for a second client whose view has let its snapshot go', async () => {
    const { users, adapter, viewOf, connected, truth } = await setUp()
    const view = viewOf('users', { query: { _id: { $lt: 2 } } })
    const { client: first } = await connected(view)
    await users.updateOne({ _id: 1 }, { $set: { name: 'changed' } })
    view.free()
    const { client: second } = await connected(view)
    const { client: third } = await connected(view)
    await users.updateOne({ _id: 0 }, { $set: { name: 'changed too' } })
    await yieldToEventLoop()
    await yieldToEventLoop()
    const expected = (await truth()).slice(0, 2)
    for (const { model } of [first, second, third]) expect(model.users).to.deep.equal(expected)
    expect(adapter.reads).to.equal(2)
  })

  describe('a client that does not read', () => {
    it('is reset from a fresh snapshot once it has read what the socket holds; nothing waits for it meanwhile', async () => {
      const { users, viewOf, connected, truth } = await setUp({ maxBufferedBytes: 20_000 })
      const { client, connection } = await connected(viewOf('users'))
      client.stopped = true
      for (let i = 10; i < 60; i++) {
        await users.updateOne({ _id: 1 }, { $set: { text: `${i}`.repeat(2500) }, $push: { list: i } })
        await yieldToEventLoop()
      }
      expect(client.buffered()).to.be.within(10_000, 26_000)
      expect(connection.ready).to.equal(false)
      client.stopped = false
      client.read()
      await until(() => client.ready && connection.ready && client.of('reset').length === 1)
      expect(client.of('reset').map(({ data, id }) => [data.reason, id])).to.deep.equal([['slow-client', '']])
      expect(client.model.users).to.deep.equal(await truth())
    })

    it('loses what one turn brings it too, where that is more than its limit', async () => {
      const { users, viewOf, connected, truth } = await setUp({ maxBufferedBytes: 20_000 })
      const { client, connection } = await connected(viewOf('users'))
      client.stopped = true
      await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          users.updateOne({ _id: 1 }, { $set: { text: `${i}`.repeat(2500) } }),
        ),
      )
      await until(() => client.buffered() > 0)
      expect(client.buffered()).to.be.below(20_000)
      client.stopped = false
      client.read()
      await until(() => client.ready && connection.ready)
      expect(client.of('reset').map(({ data }) => data.reason)).to.deep.equal(['slow-client'])
      expect(client.model.users).to.deep.equal(await truth())
    })

    it('has its manifest, also where it falls behind in the turn in which it came', async () => {
      const { viewOf, connect } = await setUp({ maxBufferedBytes: 2_000 })
      const { client, connection } = connect([viewOf('users')])
      const message = 'x'.repeat(5_000)
      connection.send({ event: 'error', data: { code: 'SOURCE_FAILED', message } })
      await until(() => client.ready)
      expect(client.names).to.deep.equal(['manifest', 'reset', 'payload', 'ready'])
    })

    it('does not hold up the others', async () => {
      const { users, viewOf, connected, truth } = await setUp({ maxBufferedBytes: 20_000 })
      const view = viewOf('users')
      const { client: slow } = await connected(view)
      const { client: fast } = await connected(view)
      slow.stopped = true
      for (let i = 0; i < 20; i++) {
        await users.updateOne({ _id: 1 }, { $set: { text: `${i}`.repeat(5000) } })
        await yieldToEventLoop()
      }
      expect(fast.model.users).to.deep.equal(await truth())
      expect(fast.of('reset')).to.deep.equal([])
    })

    it('gets the parts of a payload as it takes them', async () => {
      const { viewOf, connect, truth } = await setUp({ count: 400, size: 2000 })
      const slow = new Client()
      slow.stopped = true
      const { client } = connect([viewOf('users')], NEW, slow)
      for (let turn = 0; turn < 50; turn++) await yieldToEventLoop()
      await until(() => slow.buffered() > 0)
      for (let turn = 0; turn < 20; turn++) await yieldToEventLoop()
      expect(slow.buffered()).to.be.below(150_000)
      slow.stopped = false
      slow.read()
      await until(() => client.ready)
      expect(client.of('reset')).to.deep.equal([])
      expect(client.model.users).to.deep.equal(await truth())
    })

    it('gets its new token when it reads on', async () => {
      const { users, viewOf, connected } = await setUp({ maxBufferedBytes: 2000 })
      const { client, connection } = await connected(viewOf('users'))
      client.stopped = true
      await users.updateOne({ _id: 1 }, { $set: { text: 'y'.repeat(5000) } })
      await yieldToEventLoop()
      for (const token of ['old', 'new'])
        connection.send({ event: 'session', data: { token, expiresAt: '' } })
      connection.send({ event: 'error', data: { code: 'SOURCE_FAILED', message: '' } })
      client.stopped = false
      client.read()
      await until(() => client.ready && connection.ready && client.of('session').length > 0)
      expect(client.of('session').map(({ data }) => data.token)).to.deep.equal(['new'])
    })

    it('takes no resets while it is behind, and is up to date after that', async () => {
      const { users, viewOf, connected, truth } = await setUp({ maxBufferedBytes: 2000 })
      const view = viewOf('users')
      const { client, connection } = await connected(view)
      client.stopped = true
      await users.updateOne({ _id: 1 }, { $set: { text: 'y'.repeat(5000) } })
      await yieldToEventLoop()
      view.reload('gone')
      view.failed()
      client.stopped = false
      client.read()
      await until(() => client.ready && connection.ready && client.of('reset').length === 1)
      expect(client.of('reset')[0]?.data.reason).to.equal('slow-client')
      expect(client.model.users).to.deep.equal(await truth())
    })
  })

  describe('a position of which the log does not tell all', () => {
    const A = { team: 'a' }
    const start = (...points: [View, number][]): ResumePlan => ({
      presented: true,
      points: new Map(points),
      reasonFor: () => 'history-lost',
    })

    it('that is another one for each root gives no id before the present, and takes the old one back first', async () => {
      const { viewOf, connected, connect, update } = await setUp()
      const [one, two] = [viewOf('one'), viewOf('two')]
      await connected(one, two)
      for (const n of [1, 2]) await update(n)
      const { client } = connect([one, two], start([one, 1], [two, 0]))
      await until(() => client.ready)
      expect(told(client)).to.deep.equal([
        ['manifest'],
        ['ping', 'none'],
        ['delta two'],
        ['delta one'],
        ['delta two'],
        ['ready', 'id2'],
      ])
    })

    it('is led over by a difference, under no position, and followed by what comes meanwhile', async () => {
      const { users, viewOf, connected, connect, hold, adapter, truth } = await setUp()
      await users.updateMany({}, { $set: { team: 'a' } })
      await connected(viewOf('all'))
      const view = viewOf('some', { query: A })
      const late = new Client()
      late.model.some = structuredClone(await truth(A))
      await users.updateOne({ _id: 1 }, { $set: { team: 'b' } })
      await users.updateOne({ _id: 2 }, { $inc: { n: 1 } })
      const release = hold()
      const { client } = connect([view], start([view, 0]), late)
      await until(() => adapter.reads === 2)
      await users.updateOne({ _id: 2 }, { $inc: { n: 1 } })
      release()
      await until(() => client.ready)
      expect(told(client)).to.deep.equal([['manifest'], ['ping', 'none'], ['delta some'], ['ready', 'id3']])
      expect(client.model.some).to.deep.equal(await truth(A))
      await users.updateOne({ _id: 2 }, { $inc: { n: 1 } })
      await yieldToEventLoop()
      expect(told(client, 4)).to.deep.equal([['delta some', 'id4']])
      expect(client.model.some).to.deep.equal(await truth(A))
    })

    it('resets the root where there is no difference', async () => {
      const { feed, adapter, viewOf, connected, connect, truth } = await setUp()
      const all = viewOf('all')
      await connected(all)
      const position = feed.position ?? ''
      const operations = [{ operation: 'unset' as const, path: '.' }]
      const gone = {
        kind: 'delete' as const,
        position,
        timestamp: '',
        collection: 'users',
        id: 9,
        operations,
      }
      adapter.listener?.changes([gone], position)
      const some = viewOf('some', { query: A })
      const { client } = connect([all, some], start([all, 0], [some, 0]))
      await until(() => client.ready)
      expect(told(client)).to.deep.equal([
        ['manifest'],
        ['ping', 'none'],
        ['delta all'],
        ['reset some history-lost', ''],
        ['payload some'],
        ['ready', 'id1'],
      ])
      expect(client.model.some).to.deep.equal(await truth(A))
    })

    it('resets all where the source can not be opened, and says so', async () => {
      const { adapter, errors, viewOf, connect } = await setUp()
      const { open } = adapter
      adapter.open = async () => {
        adapter.open = open
        throw new Error('standalone')
      }
      const views = [viewOf('one'), viewOf('two')] as const
      const { client } = connect(views, start([views[0], 0], [views[1], 0]))
      await until(() => client.ready)
      expect(told(client).slice(1, 3)).to.deep.equal([
        ['reset one history-lost', ''],
        ['reset two history-lost', ''],
      ])
      expect(errors.map(([root]) => root)).to.deep.equal(['one', 'two'])
    })

    it('resets a root whose history is lost by the time that it begins', async () => {
      const { viewOf, connected, connect, lose, truth } = await setUp()
      const view = viewOf('one')
      await connected(view)
      await lose()
      const { client } = connect([view], start([view, 0]))
      await until(() => client.ready)
      expect(told(client)).to.deep.equal([
        ['manifest'],
        ['reset one history-lost', ''],
        ['payload one'],
        ['ready', 'id1'],
      ])
      expect(client.model.one).to.deep.equal(await truth())
    })
  })

  describe('a history that is lost', () => {
    it('is made up for by a difference where the client is up to date, and nothing else is sent', async () => {
      const { users, viewOf, connected, lose, truth } = await setUp()
      const { client, connection } = await connected(
        viewOf('one'),
        viewOf('two', { manifest: { name: true } }),
      )
      await lose(async () => {
        await users.updateOne({ _id: 1 }, { $inc: { n: 1 } })
        await users.deleteOne({ _id: 2 })
        await users.insertOne({ _id: 7 })
      })
      expect(connection.ready).to.equal(false)
      await until(() => connection.ready)
      await yieldToEventLoop()
      const events = told(client, 4)
      expect([...events.slice(0, 2), ...events.slice(4)]).to.deep.equal([
        ['ping', 'none'],
        ['ping', 'none'],
        ['ready', 'id1'],
      ])
      // Which root is there first is of no account.
      const deltas = client.of('delta').map(({ data, id }) => [data.root, data.oplist.length, id])
      expect(deltas).to.have.deep.members([
        ['one', 3, undefined],
        ['two', 2, undefined],
      ])
      expect(client.model.one).to.deep.equal(await truth())
    })

    it('resets a client that was still on its way', async () => {
      const { users, viewOf, connect, hold, adapter, lose, truth } = await setUp()
      const release = hold()
      const { client } = connect([viewOf('users')])
      await until(() => adapter.reads === 1)
      await lose(() => users.deleteOne({ _id: 2 }))
      release()
      await until(() => client.ready)
      expect(told(client)).to.deep.equal([
        ['manifest'],
        ['reset users history-lost', ''],
        ['payload users'],
        ['ready', 'id1'],
      ])
      expect(client.model.users).to.deep.equal(await truth())
    })

    it('resets a client whose difference was still being made', async () => {
      const { users, viewOf, connected, hold, adapter, lose, truth } = await setUp()
      const { client, connection } = await connected(viewOf('users'))
      const release = hold()
      await lose(() => users.deleteOne({ _id: 2 }))
      await until(() => adapter.reads === 2)
      await lose(() => users.deleteOne({ _id: 1 }))
      release()
      await until(() => connection.ready)
      await yieldToEventLoop()
      expect(told(client, 3)).to.deep.equal([
        ['ping', 'none'],
        ['reset users history-lost', ''],
        ['payload users'],
        ['ready', 'id2'],
      ])
      expect(client.model.users).to.deep.equal(await truth())
    })

    it('is of no account to a client that is behind: it is reset when it drains', async () => {
      const { users, viewOf, connected, lose, truth } = await setUp({ maxBufferedBytes: 2000 })
      const { client, connection } = await connected(viewOf('users'))
      client.stopped = true
      await users.updateOne({ _id: 1 }, { $set: { text: 'y'.repeat(5000) } })
      await yieldToEventLoop()
      await lose(() => users.deleteOne({ _id: 2 }))
      client.stopped = false
      client.read()
      await until(() => client.ready && connection.ready)
      expect(client.of('reset').map(({ data }) => data.reason)).to.deep.equal(['slow-client'])
      expect(client.model.users).to.deep.equal(await truth())
    })

    it('leaves a client closed that went away while its difference was being made', async () => {
      const { viewOf, connected, hold, lose, adapter, errors } = await setUp()
      const view = viewOf('users')
      const { client, connection } = await connected(view)
      const release = hold()
      await lose()
      await until(() => adapter.reads === 2)
      const before = client.events.length
      connection.close()
      await view.close()
      release()
      for (let turn = 0; turn < 10; turn++) await yieldToEventLoop()
      expect([client.events.length, errors, adapter.closes]).to.deep.equal([before, [], 1])
    })
  })

  describe('rights that change', () => {
    const A = { query: { team: 'a' } }
    const B = { query: { team: 'b' } }
    const teams = async (options: Parameters<typeof setUp>[0] = {}) => {
      const all = await setUp({ count: 4, ...options })
      await all.users.updateMany({ _id: { $lt: 2 } }, { $set: { team: 'a' } })
      await all.users.updateMany({ _id: { $gte: 2 } }, { $set: { team: 'b' } })
      // The roots are of one name, as the views of one root are.
      const view = (query: typeof A) => {
        const made = all.viewOf('own', query)
        return Object.assign(made, { key: JSON.stringify(query) })
      }
      return { ...all, view }
    }

    it('send what is gained and lost, under no position until that is there, and then under the new rights', async () => {
      const { users, view, connected, left, truth } = await teams()
      const [a, b] = [view(A), view(B)]
      const { client, connection } = await connected(a)
      connection.change([b], 's')
      expect([connection.ready, a.viewers.size, b.viewers.size, left]).to.deep.equal([false, 0, 1, [a.key]])
      await users.updateOne({ _id: 0 }, { $set: { name: 'hidden' } })
      await until(() => connection.ready)
      await users.updateOne({ _id: 2 }, { $set: { name: 'shown' } })
      await yieldToEventLoop()
      expect(told(client, 3)).to.deep.equal([
        ['ping', 'none'],
        ['delta own'],
        ['ready', 'id1:s'],
        ['delta own', 'id2:s'],
      ])
      expect(JSON.stringify(client.events)).not.to.contain('hidden')
      expect(client.model.own).to.deep.equal(await truth(B.query))
    })

    it('that end and come back while data is held back show nothing of the time between', async () => {
      const { users, view, connected, truth } = await teams()
      const [a, b] = [view(A), view(B)]
      const keeper = await connected(a)
      const { client, connection } = await connected(a)
      connection.hold()
      connection.change([b], 's')
      await users.updateOne({ _id: 0 }, { $set: { name: 'hidden' } })
      await users.insertOne({ _id: 9, name: 'hidden too', team: 'a' })
      await users.deleteOne({ _id: 9 })
      await users.updateOne({ _id: 0 }, { $set: { name: 'shown' } })
      connection.change([a], 't')
      connection.release()
      await until(() => connection.ready)
      await yieldToEventLoop()
      expect(JSON.stringify(keeper.client.events)).to.contain('hidden')
      expect(JSON.stringify(client.events.slice(3))).not.to.match(/hidden|"id":9|\[9/)
      expect(client.model.own).to.deep.equal(await truth(A.query))
    })

    it('and that another change follows while data is held back, bring the last rights by a delta', async () => {
      const { users, view, connected, truth } = await teams()
      const { client, connection } = await connected(view(A))
      connection.hold()
      await users.updateOne({ _id: 0 }, { $set: { name: 'other' } })
      connection.change([view(B)], 's')
      connection.release()
      await until(() => connection.ready)
      await yieldToEventLoop()
      expect(told(client, 3)).to.deep.equal([['ping', 'none'], ['delta own'], ['ready', 'id1:s']])
      expect(client.model.own).to.deep.equal(await truth(B.query))
    })

    it('let a slow client whose data is held back begin anew', async () => {
      const { users, view, connected, truth } = await teams({ maxBufferedBytes: 2000 })
      const { client, connection } = await connected(view(A))
      connection.hold()
      client.stopped = true
      for (let times = 0; times < 20; times++)
        connection.send({ event: 'error', data: { code: 'UNAVAILABLE', message: 'x'.repeat(500) } })
      await users.updateOne({ _id: 0 }, { $set: { name: 'other' } })
      connection.release()
      client.stopped = false
      client.read()
      await until(() => connection.ready)
      await yieldToEventLoop()
      expect(client.model.own).to.deep.equal(await truth(A.query))
    })

    it('leave the roots alone whose views are the same, save that their ids wait', async () => {
      const { viewOf, view, connected, update, hold } = await teams()
      const [all, a, b] = [viewOf('all'), view(A), view(B)]
      const { client, connection } = await connected(all, a)
      const before = client.events.length
      const release = hold()
      connection.change([all, b], 's')
      await update(1, 3)
      await yieldToEventLoop()
      expect(told(client, before)).to.deep.equal([['ping', 'none'], ['delta all']])
      release()
      await until(() => connection.ready)
      await yieldToEventLoop()
      expect(told(client, before + 2)).to.deep.equal([['delta own'], ['ready', 'id1:s']])
    })

    it('change nothing but the rights of ids where all views are the same', async () => {
      const { view, connected, update, left } = await teams()
      const a = view(A)
      const { client, connection } = await connected(a)
      connection.change([a], 's')
      expect(connection.ready).to.equal(true)
      await update(1)
      await yieldToEventLoop()
      expect([told(client, 3), left]).to.deep.equal([[['delta own', 'id1:s']], []])
    })

    it('take the id back of what was shown before in the same turn', async () => {
      const { view, connected, update } = await teams()
      const { client, connection } = await connected(view(A))
      const updated = update(1)
      connection.change([view(B)], 's')
      await updated
      await until(() => connection.ready)
      expect(told(client, 3).slice(0, 2)).to.deep.equal([
        ['delta own', 'none'],
        ['ping', 'none'],
      ])
    })

    it('reset a root that was on its way: nothing more of the old view comes', async () => {
      const { view, connect, truth, left } = await teams({ size: 100_000 })
      const { client, connection } = connect([view(A)])
      while (client.of('payload').length === 0) await yieldToEventLoop()
      expect(client.ready).to.equal(false)
      connection.change([view(B)], 's')
      // What waited has been written with the change, and its end is the reset.
      const before = client.events.findIndex(({ name }) => name === 'reset')
      expect(before).to.equal(client.events.length - 1)
      await until(() => connection.ready)
      await yieldToEventLoop()
      expect(told(client, before)[0]).to.deep.equal(['reset own rights-changed', ''])
      const ids = client.events
        .slice(before)
        .flatMap(({ data }) => (data.data ?? []).map((one: Document) => one._id))
      expect(ids).to.deep.equal([2, 3])
      expect([client.model.own, left.length]).to.deep.equal([await truth(B.query), 1])
    })

    it('hold from the beginning for a client that has not begun: its position is of no use for the root', async () => {
      const { viewOf, view, host, truth } = await teams()
      const [all, a, b] = [viewOf('all'), view(A), view(B)]
      const keeper = new Connection(new Client(), [all, a], 'r', host, silentTrace())
      keeper.start(NEW)
      await until(() => keeper.ready)
      const client = new Client()
      const connection = new Connection(client, [all, a], 'r', host, silentTrace())
      connection.change([all, b], 's')
      expect(client.events).to.deep.equal([])
      const points = new Map([all, a].map((each) => [each, 0]))
      connection.start({ presented: true, points, reasonFor: () => 'rights-changed' })
      await until(() => connection.ready)
      await yieldToEventLoop()
      expect(told(client)).to.deep.equal([
        ['manifest'],
        ['reset own rights-changed', ''],
        ['payload own'],
        ['ready', 'id0:s'],
      ])
      expect(client.model.own).to.deep.equal(await truth(B.query))
    })

    it('hold for a client that is behind when it drains', async () => {
      const { users, view, connected, truth, left } = await teams({ maxBufferedBytes: 2000 })
      const { client, connection } = await connected(view(A))
      client.stopped = true
      await users.updateOne({ _id: 1 }, { $set: { text: 'y'.repeat(5000) } })
      await yieldToEventLoop()
      connection.change([view(B)], 's')
      expect(left.length).to.equal(1)
      client.stopped = false
      client.read()
      await until(() => connection.ready)
      await yieldToEventLoop()
      expect(told(client, 3)).to.deep.equal([
        ['reset own slow-client', ''],
        ['payload own'],
        ['ready', 'id1:s'],
      ])
      expect(client.model.own).to.deep.equal(await truth(B.query))
    })

    it('that change twice end with the last', async () => {
      const { users, view, viewOf, connected, hold, truth } = await teams()
      const { client, connection } = await connected(view(A))
      const release = hold()
      connection.change([view(B)], 's')
      connection.change([Object.assign(viewOf('own', { query: { n: 1 } }), { key: 'n' })], 't')
      release()
      await until(() => connection.ready)
      await users.updateOne({ _id: 0 }, { $set: { n: 1 } })
      await yieldToEventLoop()
      expect(told(client, 3)).to.deep.equal([
        ['ping', 'none'],
        ['ping', 'none'],
        ['delta own'],
        ['ready', 'id0:t'],
        ['delta own', 'id1:t'],
      ])
      expect(client.model.own).to.deep.equal(await truth({ n: 1 }))
    })

    it('that change in the middle of a replay leave nothing of it out, and tell nothing of it twice', async () => {
      const { users, viewOf, view, connected, connect, truth } = await teams()
      const [all, a, b] = [viewOf('all'), view(A), view(B)]
      await connected(all, a)
      const late = new Client()
      late.model.all = structuredClone(await truth())
      late.model.own = structuredClone(await truth(A.query))
      late.stopped = true
      for (let i = 0; i < 6; i++)
        await users.updateOne({ _id: 1 }, { $set: { text: `${i}`.repeat(30_000) }, $push: { list: i } })
      const points = new Map([all, a].map((each) => [each, 0]))
      const { client, connection } = connect(
        [all, a],
        { presented: true, points, reasonFor: () => 'history-lost' },
        late,
      )
      await until(() => late.buffered() > 64 * 1024)
      connection.change([all, b], 's')
      late.stopped = false
      late.read()
      await until(() => connection.ready)
      await yieldToEventLoop()
      expect(client.model.all).to.deep.equal(await truth())
      expect(client.model.own).to.deep.equal(await truth(B.query))
    })

    it('are of no account to a client that has gone', async () => {
      const { view, connected, left } = await teams()
      const { client, connection } = await connected(view(A))
      connection.close()
      const b = view(B)
      connection.change([b], 's')
      await yieldToEventLoop()
      expect([b.viewers.size, left, client.events.length]).to.deep.equal([0, [], 3])
    })
  })

  describe('a source that fails', () => {
    it('is told of without its words, while the other roots go on', async () => {
      const { adapter, errors, viewOf, connect, update } = await setUp()
      const [good, bad] = [viewOf('good'), viewOf('bad')]
      await good.snapshot()
      adapter.failures = [new Error('password is wrong')]
      const { client } = connect([good, bad])
      await until(() => client.of('error').length === 1 && client.of('payload').length === 1)
      expect(client.of('error')[0]?.data).to.deep.include({ root: 'bad', code: 'SOURCE_FAILED' })
      expect(JSON.stringify(client.events)).not.to.contain('password')
      expect(errors).to.deep.equal([['bad', 'password is wrong']])
      await update(1)
      await until(() => client.of('delta').some(({ data }) => data.oplist.length > 0))
      expect(client.of('delta').map(({ data }) => data.root))
        .to.include('good')
        .and.not.to.include('bad')
      expect(client.ready).to.equal(false)
    })

    it('is told of once, however often it is tried again, and again when it fails another time', async () => {
      const { adapter, viewOf, connect } = await setUp()
      const [one, two] = [viewOf('one'), viewOf('two')]
      adapter.failures = [new Error('gone'), new Error('gone'), new Error('gone')]
      const { client } = connect([one])
      await until(() => client.ready)
      expect(client.of('error').map(({ data }) => data.root)).to.deep.equal(['one'])
      const other = connect([one, two]).client
      await until(() => other.ready)
      const position = String((await adapter.read('users', {}, () => {})).to)
      for (const outage of [1, 2]) {
        for (let failures = 0; failures < 3; failures++) adapter.listener?.error(new Error('gone again'))
        await yieldToEventLoop()
        expect(other.of('error')).to.have.lengthOf(2 * outage)
        adapter.listener?.progress(position)
      }
      expect(client.of('error')).to.have.lengthOf(3)
    })
  })

  describe('the end', () => {
    it('is the last event, whatever comes after it', async () => {
      const { viewOf, connected, update, closes } = await setUp()
      const view = viewOf('users')
      const { client, connection } = await connected(view)
      const pending = update(1)
      connection.end({ event: 'revoked', data: { reason: 'identity-refused' } })
      await pending
      await update(2)
      view.reload('gone')
      connection.send({ event: 'ping', data: { timestamp: new Date().toISOString() } })
      connection.end({ event: 'revoked', data: { reason: 'again' } })
      connection.close()
      for (let turn = 0; turn < 5; turn++) await yieldToEventLoop()
      expect(client.events.at(-1)?.data).to.deep.equal({ reason: 'identity-refused' })
      expect([client.of('revoked').length, client.ended, closes()]).to.deep.equal([1, 1, 1])
    })

    it('reaches a client that is behind', async () => {
      const { users, viewOf, connected } = await setUp({ maxBufferedBytes: 2000 })
      const { client, connection } = await connected(viewOf('users'))
      client.stopped = true
      await users.updateOne({ _id: 1 }, { $set: { text: 'y'.repeat(5000) } })
      connection.end({ event: 'revoked', data: { reason: 'identity-refused' } })
      client.read()
      expect(client.names.at(-1)).to.equal('revoked')
    })

    it('comes without a word when the client has gone away', async () => {
      const { viewOf, connected, update, closes } = await setUp()
      const view = viewOf('users')
      const { client, connection } = await connected(view)
      const before = client.events.length
      await update(1)
      connection.close()
      await yieldToEventLoop()
      expect([client.events.length, client.ended, closes(), view.viewers.size]).to.deep.equal([
        before,
        0,
        1,
        0,
      ])
    })

    it('leaves nothing in the views, also when it comes while they are loading', async () => {
      const { adapter, errors, viewOf, connect, hold } = await setUp()
      const views = [viewOf('one'), viewOf('two')]
      const release = hold()
      const { client, connection } = connect(views)
      await until(() => adapter.reads === 2)
      expect(views.map((view) => view.viewers.size)).to.deep.equal([1, 1])
      connection.close()
      release()
      for (let turn = 0; turn < 10; turn++) await yieldToEventLoop()
      expect(views.map((view) => view.viewers.size)).to.deep.equal([0, 0])
      expect([client.of('payload'), errors]).to.deep.equal([[], []])
    })

    it('leaves nothing when it comes while the client is behind', async () => {
      const { viewOf, connect, adapter } = await setUp({ count: 400, size: 2000 })
      const view = viewOf('users')
      const slow = new Client()
      slow.stopped = true
      const { connection } = connect([view], NEW, slow)
      await until(() => slow.buffered() > 64 * 1024)
      connection.close()
      slow.read()
      const before = slow.events.length
      for (let turn = 0; turn < 10; turn++) await yieldToEventLoop()
      expect([view.viewers.size, slow.events.length, adapter.reads]).to.deep.equal([0, before, 1])
    })
  })
})
