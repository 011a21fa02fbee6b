import { expect } from 'chai'
import { redis } from '../../../lib/source/redis/index.ts'
import type { Subscription } from '../../../lib/source/source.ts'
import { type RedisServer, redisOrSkip, startRedis } from '../../support/redis.ts'
import { closeAll, Recorder } from '../mongo/fold.ts'
import { type Client, connect, readAll } from './harness.ts'

const SETTING = 'notify-keyspace-events'

describe('source/redis/notifications', () => {
  let server: RedisServer
  let client: Client
  const open: Subscription[] = []

  before(async function () {
    server = await redisOrSkip(this, () => startRedis('--databases', '4'))
    client = await connect(server.url)
  })

  afterEach(async () => {
    await closeAll(open)
    await client.configSet('maxmemory', '0')
    await client.flushAll()
  })

  after(async () => {
    client?.destroy()
    await server?.stop()
  })

  async function follow() {
    const adapter = redis(client)
    const users = adapter.collection('users')
    const recorder = new Recorder()
    open.push(await adapter.open(recorder))
    /** Whether what was told makes up what is there. */
    const isTold = async () => {
      const held = new Map<unknown, unknown>()
      for (const change of recorder.changesSeen)
        if ('id' in change) held.set(change.id, change.document?._id ?? null)
      const told = [...held.values()].filter((id) => id !== null).sort()
      return String(told) === String((await readAll(adapter, 'users')).map(({ _id }) => _id))
    }
    return { adapter, users, recorder, isTold }
  }

  it('tell the end of a document whatever command takes its place', async () => {
    const { users, recorder, isTold } = await follow()
    await client.rPush('list', ['2', '1'])
    await client.sAdd('set', 'a')
    await client.zAdd('sorted', { score: 1, value: 'a' })
    await client.geoAdd('places', { longitude: 1, latitude: 1, member: 'a' })
    const commands: string[][] = [
      ['SORT', 'list', 'STORE', 'users:1'],
      ['SUNIONSTORE', 'users:2', 'set'],
      ['ZUNIONSTORE', 'users:3', '1', 'sorted'],
      ['ZRANGESTORE', 'users:4', 'sorted', '0', '-1'],
      ['GEOSEARCHSTORE', 'users:5', 'places', 'FROMMEMBER', 'a', 'BYRADIUS', '1', 'm'],
      ['COPY', 'list', 'users:6', 'REPLACE'],
      ['RENAME', 'set', 'users:7'],
      ['MOVE', 'users:8', '1'],
      ['UNLINK', 'users:9'],
      ['PEXPIRE', 'users:10', '-1'],
      ['BITOP', 'AND', 'users:11', 'none'],
      ['GETDEL', 'users:json'],
      ['GETEX', 'users:json2', 'PXAT', '1'],
      ['SET', 'users:12', 'no document'],
      ['PFMERGE', 'users:json3', 'none'],
      ['COPY', 'users:kept', 'users:copied'],
    ]
    for (let id = 1; id <= 12; id++) await users.set(`${id}`, { name: 'x' })
    for (const id of ['json', 'json2', 'json3']) await client.set(`users:${id}`, '{"a":1}')
    await users.set('kept', { name: 'x' })
    const told = () => recorder.changesSeen.flatMap((change) => ('id' in change ? [change.id] : []))
    await recorder.until(() => told().includes('kept'))
    for (const [index, command] of commands.entries()) {
      // Some are refused, and change nothing.
      await client.sendCommand(command).catch(() => {})
      await users.set('end', { name: `${index}` })
      await recorder.until(() =>
        recorder.changesSeen.some((one) => JSON.stringify(one).includes(`"name":"${index}"`)),
      )
      expect(await isTold(), command.join(' ')).to.equal(true)
    }
    expect(recorder.losses).to.deep.equal([])
  })

  it('lose what came before them where a database is swapped with another one', async () => {
    const { users, recorder } = await follow()
    await users.set('a', { name: 'x' })
    await client.sendCommand(['SWAPDB', '0', '2'])
    await recorder.until(() => recorder.losses.length === 1)
    expect(recorder.losses[0]?.reason).to.include('swapped')
  })

  it('tell documents that are evicted', async () => {
    const { users, recorder, isTold } = await follow()
    await client.configSet({ 'maxmemory-policy': 'volatile-lru' })
    for (let id = 0; id < 50; id++) await users.set(`${id}`, { name: 'x'.repeat(10_000) }, { EX: 1000 })
    await recorder.until(() => recorder.changesSeen.length >= 50)
    const used = /used_memory:(\d+)/.exec(await client.info('memory'))?.[1]
    await client.configSet('maxmemory', `${Number(used) - 100_000}`)
    await client.set('more', 'x').catch(() => {})
    await recorder.until(() => recorder.changesSeen.some(({ kind }) => kind === 'delete'))
    await client.configSet('maxmemory', '0')
    await users.set('end', { name: 'end' })
    await recorder.until(() => JSON.stringify(recorder.changesSeen.at(-1)).includes('"end"'))
    expect(await isTold()).to.equal(true)
  })

  it('are advised where a stream would miss what is evicted', async () => {
    await client.configSet({ 'maxmemory-policy': 'volatile-lru', maxmemory: '100mb' })
    const recorder = new Recorder()
    open.push(await redis(client, { stream: 'changes' }).open(recorder))
    expect(String(recorder.errors)).to.include('an evicted document').and.include('noeviction')
    await client.configSet('maxmemory', '0')
    const other = new Recorder()
    open.push(await redis(client, { stream: 'changes' }).open(other))
    expect(other.errors).to.deep.equal([])
  })

  for (const flags of ['', 'Kg$', 'Elsh'])
    it(`are turned on again, and that is told, where they are set to '${flags}' in mid-course`, async () => {
      const { users, recorder } = await follow()
      await client.configSet(SETTING, flags)
      await users.set('unseen', { name: 'x' })
      await recorder.until(() => recorder.losses.length === 1)
      expect(String(recorder.errors[0])).to.include('notify-keyspace-events was changed')
      await users.set('seen', { name: 'x' })
      await recorder.until(() => recorder.changesSeen.some((one) => 'id' in one && one.id === 'seen'))
    })

  it('are missed within a second by a user who may not look at the settings', async () => {
    await client.aclSetUser('plain', ['on', '>word', '~*', '&*', '+@all', '-config'])
    await client.configSet(SETTING, 'KA')
    const plain = await connect(server.url.replace('//', '//plain:word@'))
    const recorder = new Recorder()
    const adapter = redis(plain)
    const users = adapter.collection('users')
    open.push(await adapter.open(recorder))
    await users.set('seen', { name: 'x' })
    await recorder.until(() => recorder.changesSeen.length === 1)
    await client.configSet(SETTING, '')
    await recorder.until(() => recorder.errors.length > 0)
    await users.set('unseen', { name: 'x' })
    await client.configSet(SETTING, 'KA')
    await recorder.until(() => recorder.losses.length > 0)
    await closeAll(open)
    plain.destroy()
  }).timeout(20_000)
})
