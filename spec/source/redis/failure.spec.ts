import { expect } from 'chai'
import type { ParticleError } from '../../../lib/errors.ts'
import { Server } from '../../../lib/server/index.ts'
import { redis } from '../../../lib/source/redis/index.ts'
import type { Subscription } from '../../../lib/source/source.ts'
import { runProgram } from '../../support/process.ts'
import { type RedisServer, redisOrSkip, startRedis } from '../../support/redis.ts'
import { closeAll, Recorder } from '../mongo/fold.ts'
import { type Client, connect, readAll } from './harness.ts'

const ids = (recorder: Recorder) => recorder.changesSeen.map((change) => ('id' in change ? change.id : null))

describe('source/redis on a server that fails', () => {
  let server: RedisServer
  let client: Client
  const open: Subscription[] = []

  async function start(context: Mocha.Context, ...args: string[]) {
    server = await redisOrSkip(context, () => startRedis(...args))
    client = await connect(server.url)
  }

  afterEach(async () => {
    await closeAll(open)
    client?.destroy()
    await server?.stop()
  })

  async function follow(stream?: string, on = client) {
    const adapter = redis(on, stream ? { stream } : {})
    const users = adapter.collection('users')
    const recorder = new Recorder()
    open.push(await adapter.open(recorder))
    return { adapter, users, recorder }
  }

  /** Tries until it succeeds: the application's own client comes back by itself. */
  async function insist(action: () => Promise<unknown>) {
    for (let tries = 0; ; tries++) {
      try {
        return await action()
      } catch (error) {
        if (tries > 100) throw error
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }

  it('goes on without loss or repetition after restarts in mid-stream, where there is an append-only file', async function () {
    await start(this, '--appendonly', 'yes', '--appendfsync', 'always')
    const { users, recorder, adapter } = await follow('changes')
    const restarts: Promise<unknown>[] = []
    for (let id = 0; id < 90; id++) {
      if (id % 30 === 10) restarts.push(server.restart(id === 40 ? 'SIGKILL' : 'SIGTERM'))
      await insist(() => users.set(`${id}`, { n: `${id}` }))
    }
    await recorder.until(() => ids(recorder).includes('89'), 20_000)
    // A write whose answer was lost was tried again.
    expect([...new Set(ids(recorder))]).to.deep.equal(Array.from({ length: 90 }, (_, id) => `${id}`))
    const positions = recorder.changesSeen.map(({ position }) => position)
    for (const [index, position] of positions.entries())
      if (index > 0) expect(adapter.compare(positions[index - 1] ?? '', position)).to.be.below(0)
    expect(recorder.losses).to.deep.equal([])
    expect(recorder.errors).not.to.be.empty
    await Promise.all(restarts)
    await insist(async () => expect(await readAll(adapter, 'users')).to.have.length(90))
  }).timeout(60_000)

  for (const stream of ['changes', undefined])
    it(`lets an idle node be ready again, by ${stream ? 'a stream' : 'notifications'}`, async function () {
      await start(this)
      const users = redis(client, stream ? { stream } : {}).collection('users')
      // No client is connected: only the decisions about rights follow the source.
      const node = new Server({
        dataSources: { users: { collection: users, manifest: true } },
        control: true,
        onError: () => {},
      })
      try {
        expect((await node.readiness()).ready).to.equal(true)
        await server.restart('SIGKILL')
        await insist(async () => expect(node.stats().sources.redis?.state).to.equal('failing'))
        await insist(async () => expect((await node.readiness()).ready).to.equal(true))
      } finally {
        await node.disconnect()
      }
    }).timeout(40_000)

  it('says that the history is lost after a restart that lost it', async function () {
    await start(this)
    const { users, recorder, adapter } = await follow('changes')
    await users.set('before', { n: '1' })
    await recorder.until(() => ids(recorder).length === 1)
    await server.restart()
    // Newer entries than the last that was told do not hide it.
    await insist(() => users.set('meanwhile', { n: '2' }))
    await recorder.until(() => recorder.losses.length === 1)
    await insist(() => users.set('after', { n: '3' }))
    await recorder.until(() => ids(recorder).includes('after'))
    expect((await readAll(adapter, 'users')).map(({ _id }) => _id)).to.deep.equal(['after', 'meanwhile'])
  }).timeout(30_000)

  it('goes on when a connection is cut: a stream without loss, notifications with a reset', async function () {
    await start(this)
    const stream = await follow('changes')
    const keyspace = await follow()
    await stream.users.set('1', { n: '1' })
    await keyspace.recorder.until(() => ids(keyspace.recorder).length === 1)
    const { id } = await client.clientInfo()
    for (const connection of await client.clientList()) {
      if (connection.id !== id) await client.clientKill({ filter: 'ID', id: connection.id } as never)
    }
    await stream.users.set('2', { n: '2' })
    await stream.recorder.until(() => ids(stream.recorder).length === 2)
    await keyspace.recorder.until(() => keyspace.recorder.losses.length === 1)
    expect(ids(stream.recorder)).to.deep.equal(['1', '2'])
    expect(stream.recorder.losses).to.deep.equal([])
    await stream.users.set('3', { n: '3' })
    await keyspace.recorder.until(() => ids(keyspace.recorder).includes('3'))
    expect(keyspace.recorder.errors).not.to.be.empty
  }).timeout(30_000)

  it('resets after a restart where it follows notifications, which it turns on again', async function () {
    await start(this)
    const { users, recorder } = await follow()
    await server.restart()
    await recorder.until(() => recorder.losses.length > 0)
    expect((await client.configGet('notify-keyspace-events'))['notify-keyspace-events']).to.include('K')
    await insist(() => users.set('after', { n: '1' }))
    await recorder.until(() => ids(recorder).includes('after'))
  }).timeout(30_000)

  it('resets after FLUSHDB, by a stream and by notifications', async function () {
    await start(this)
    for (const stream of ['changes', undefined]) {
      const { users, recorder, adapter } = await follow(stream)
      await users.set('before', { n: '1' })
      await recorder.until(() => ids(recorder).length === 1)
      await client.flushDb()
      await recorder.until(() => recorder.losses.length === 1)
      await users.set('after', { n: '2' })
      await recorder.until(() => ids(recorder).includes('after'))
      expect(await readAll(adapter, 'users')).to.deep.equal([{ _id: 'after', n: '2' }])
      await closeAll(open)
    }
  })

  it('needs notifications, turns on what is missing, and says so where it may not', async function () {
    await start(this, '--notify-keyspace-events', 'El')
    await client.aclSetUser('plain', ['on', '>word', '~*', '&*', '+@all', '-config'])
    const plain = await connect(server.url.replace('//', '//plain:word@'))
    const error = await follow(undefined, plain).catch((reason: unknown) => reason as ParticleError)
    expect(error).to.include({ code: 'SOURCE_FAILED' })
    expect((error as ParticleError).message)
      .to.include('set notify-keyspace-events to KA')
      .and.include('redis(client, { stream })')
    await follow()
    const set = (await client.configGet('notify-keyspace-events'))['notify-keyspace-events'] ?? ''
    expect([...'ElKg$shzxe'].filter((flag) => !set.includes(flag))).to.deep.equal([])
    // Now that they are on, it is found out without looking at the settings.
    const { users, recorder } = await follow(undefined, plain)
    await users.set('1', { n: '1' })
    await recorder.until(() => ids(recorder).includes('1'))
    await closeAll(open)
    plain.destroy()
  })

  it('writes nothing by halves, where there is no memory left or the stream is no stream', async function () {
    await start(this)
    for (const stream of ['changes', undefined]) {
      const { users, recorder } = await follow(stream)
      const others = redis(client, stream ? { stream } : {}).collection('others', { type: 'json' })
      await users.set('1', { n: '1' })
      await others.set('1', { n: '1' })
      const refused = async (sentence: string, writes: (() => Promise<unknown>)[]) => {
        for (const write of writes) {
          const error = await write().then(
            () => 'none',
            (reason: unknown) => String(reason),
          )
          expect(error, String(write)).to.include(sentence)
        }
        expect(await client.hGetAll('users:1')).to.deep.equal({ n: '1' })
        expect(await client.get('others:1')).to.equal('{"n":"1"}')
        expect(await client.ttl('users:1')).to.equal(-1)
      }
      const adding = [
        () => users.set('1', { n: '2', more: 'x' }),
        () => users.set('2', { n: '2' }, { EX: 100 }),
        () => users.update('1', { n: '2' }),
        () => others.set('1', { n: '2' }),
      ]
      const length = stream ? await client.xLen(stream) : 0
      await client.configSet('maxmemory', '1')
      await refused('OOM', stream ? [...adding, () => users.expire('1', 100)] : adding)
      if (stream) expect(await client.xLen(stream)).to.equal(length)
      expect(await others.delete('1')).to.equal(true)
      await client.configSet('maxmemory', '0')
      await others.set('1', { n: '1' })
      if (stream) {
        await client.copy(stream, 'kept')
        await client.set(stream, 'no stream')
        const removing = [() => users.delete('1'), () => users.clear()]
        await refused('WRONGTYPE', [...adding, ...removing])
        await client.rename('kept', stream)
      }
      await users.update('1', { n: '3' })
      await recorder.until(() => ids(recorder).filter((id) => id === '1').length >= 2)
      await closeAll(open)
      await client.flushDb()
    }
  }).timeout(30_000)

  it('follows with the rights to read alone', async function () {
    await start(this, '--notify-keyspace-events', 'KA')
    const users = (await follow('changes')).users
    await users.set('1', { n: '1' })
    const rights = ['+@read', '+@connection', '+@pubsub', '+@scripting', '+config|get']
    await client.aclSetUser('reader', ['on', '>word', '~*', '&*', '-@all', ...rights])
    const reader = await connect(server.url.replace('//', '//reader:word@'))
    for (const stream of ['changes', undefined]) {
      const { recorder, adapter } = await follow(stream, reader)
      await users.set('2', { n: stream ?? 'none' })
      await users.set('short', { n: 'x' }, { PX: 1 })
      await recorder.until(() => ids(recorder).includes('2'))
      expect((await readAll(adapter, 'users')).map(({ _id }) => _id)).to.include.members(['1', '2'])
    }
    await closeAll(open)
    reader.destroy()
  })

  it('speaks both versions of the protocol, and minds neither type mappings nor a key prefix of the client', async function () {
    await start(this)
    for (const RESP of [2, 3] as const) {
      const { createClient, RESP_TYPES } = await import('redis')
      const options = { url: server.url, RESP, keyPrefix: `app${RESP}:` }
      const mapped = createClient(options).withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
      await mapped.connect()
      for (const stream of ['changes', undefined]) {
        const { users, recorder, adapter } = await follow(stream, mapped as never)
        await users.set('1', { n: '1' })
        await recorder.until(() => ids(recorder).includes('1'))
        expect(await client.hGet(`app${RESP}:users:1`, 'n')).to.equal('1')
        expect(await readAll(adapter, 'users')).to.deep.equal([{ _id: '1', n: '1' }])
        await users.update('1', { n: '2' })
        await recorder.until(() => recorder.changesSeen.length >= 2)
      }
      await closeAll(open)
      mapped.destroy()
    }
  })

  it('leaves no connection, no key and no timer when it is closed', async function () {
    await start(this)
    for (const stream of ['changes', undefined]) {
      const { recorder, users } = await follow(stream)
      await users.set('1', { n: '1' })
      await recorder.until(() => ids(recorder).length === 1)
      await closeAll(open)
      for (let tries = 0; (await client.clientList()).length > 1 && tries < 100; tries++)
        await new Promise((resolve) => setTimeout(resolve, 10))
      expect(await client.clientList()).to.have.length(1)
      expect((await client.keys('*')).filter((key) => key !== 'changes' && key !== 'users:1')).to.deep.equal(
        [],
      )
    }
    const code = `
      import { createClient } from 'redis'
      import { redis } from './lib/source/redis/index.ts'
      const client = await createClient({ url: '${server.url}' }).connect()
      const listener = { changes() {}, progress() {}, lost() {}, error() {} }
      for (const options of [{ stream: 'changes' }, {}]) {
        const subscription = await redis(client, options).open(listener)
        await subscription.close()
      }
      client.destroy()
      console.log('closed')`
    const args = ['--import', 'tsx', '--input-type=module', '-e', code]
    expect(await runProgram(process.execPath, args, 15_000)).to.include('closed')
  }).timeout(30_000)

  for (const stream of ['changes', undefined]) {
    it(`gives up its tries when its opening is aborted (${stream ? 'stream' : 'notifications'})`, async function () {
      await start(this)
      await server.stop()
      const recorder = new Recorder()
      const abort = new AbortController()
      const adapter = redis(client, stream ? { stream } : {})
      const opening = adapter.open(recorder, undefined, abort.signal).catch((error: unknown) => error)
      await recorder.until(() => recorder.errors.length > 1, 15_000)
      const began = performance.now()
      abort.abort()
      expect(await opening).to.include({ name: 'AbortError' })
      expect(performance.now() - began).to.be.below(500)
    }).timeout(30_000)
  }

  it('waits for a server that is not there, says so, and ends the wait when it comes', async function () {
    await start(this)
    const { users, recorder } = await follow('changes')
    const gone = server.stop()
    await recorder.until(() => recorder.errors.length > 1, 15_000)
    await gone
    const began = Date.now()
    await closeAll(open)
    expect(Date.now() - began).to.be.below(1000)
    expect(users.collectionName).to.equal('users')
  }).timeout(30_000)
})
