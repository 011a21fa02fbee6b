import { expect } from 'chai'
import { redisOrSkip } from '../../support/redis.ts'
import { closeAll, Recorder } from '../mongo/fold.ts'
import { type Client, connect, freshAdapter, freshPrefix, readAll, removeAll } from './harness.ts'

describe('source/redis by keyspace notifications', () => {
  let url: string
  let client: Client
  let prefix: string
  const open: { close(): Promise<void> }[] = []

  before(async function () {
    url = (await redisOrSkip(this)).url
    client = await connect(url)
  })

  beforeEach(() => {
    prefix = freshPrefix()
  })

  afterEach(async () => {
    await closeAll(open as never)
    await removeAll(client, prefix)
  })

  after(() => client?.destroy())

  async function follow(from?: string) {
    const adapter = freshAdapter(client, { prefix }, false)
    const users = adapter.collection('users', { fields: { visits: 'number' } })
    const recorder = new Recorder()
    const subscription = await adapter.open(recorder, from)
    open.push(subscription)
    return { adapter, users, recorder, subscription }
  }

  /** The last that was told of each document. */
  const latest = (recorder: Recorder) =>
    Object.fromEntries(
      recorder.changesSeen.flatMap((change) =>
        'id' in change ? [[change.id, change.document ?? change.kind]] : [],
      ),
    )

  it('tells documents that any command changed, as they are by then', async () => {
    const { recorder } = await follow()
    await client.hSet(`${prefix}users:ann`, { name: 'Ann', visits: '1' })
    await client.hIncrBy(`${prefix}users:ann`, 'visits', 4)
    await client.hDel(`${prefix}users:ann`, 'name')
    await client.set(`${prefix}users:bo`, '{"name":"Bo","tags":[1]}')
    await client.append(`${prefix}users:bo`, '   ')
    await client.hSet(`${prefix}users:gone`, 'name', 'x')
    await client.del(`${prefix}users:gone`)
    await client.lPush(`${prefix}users:list`, 'x')
    await client.rename(`${prefix}users:list`, `${prefix}users:friends`)
    await client.set(`${prefix}users:counter`, '5')
    await client.set(`${prefix}others:1`, '{}')
    await recorder.until(() => 'counter' in latest(recorder) && 'friends' in latest(recorder))
    expect(latest(recorder)).to.deep.equal({
      ann: { _id: 'ann', visits: 5 },
      bo: { _id: 'bo', name: 'Bo', tags: [1] },
      gone: 'delete',
      list: 'delete',
      friends: 'delete',
      counter: 'delete',
    })
    expect(new Set(recorder.changesSeen.map(({ kind }) => kind))).to.deep.equal(
      new Set(['replace', 'delete']),
    )
  })

  it('tells documents that expire, are renamed, or removed with the last of their fields', async () => {
    const { users, recorder, adapter } = await follow()
    await client.hSet(`${prefix}users:old`, 'name', 'x')
    await client.rename(`${prefix}users:old`, `${prefix}users:new`)
    await users.set('short', { name: 'x' }, { PX: 30 })
    await client.hSet(`${prefix}users:empty`, 'name', 'x')
    await client.hDel(`${prefix}users:empty`, 'name')
    await new Promise((resolve) => setTimeout(resolve, 40))
    // Redis tells of an expired key when it comes across it.
    expect(await client.exists(`${prefix}users:short`)).to.equal(0)
    await recorder.until(() => latest(recorder).empty === 'delete' && latest(recorder).short === 'delete')
    expect(latest(recorder)).to.deep.equal({
      old: 'delete',
      new: { _id: 'new', name: 'x' },
      short: 'delete',
      empty: 'delete',
    })
    expect(await readAll(adapter, 'users')).to.deep.equal([{ _id: 'new', name: 'x' }])
  })

  it('resumes nothing: not past a gap in following, and not on another adapter', async () => {
    const { users, recorder, subscription, adapter } = await follow()
    await users.set('ann', { name: 'Ann' })
    await recorder.until(() => recorder.changesSeen.length === 1)
    await subscription.close()
    await users.set('ann', { name: 'Anna' })
    const again = await follow(recorder.position)
    expect(adapter.compare(again.subscription.position, recorder.position)).to.be.above(0)
    expect(adapter.past).to.equal(undefined)
    const other = await connect(url)
    const elsewhere = freshAdapter(other, { prefix }, false)
    elsewhere.collection('users')
    const subscribed = await elsewhere.open(new Recorder(), recorder.position)
    expect(elsewhere.compare(subscribed.position, recorder.position)).to.satisfy(Number.isNaN)
    await subscribed.close()
    other.destroy()
  })

  it('follows a collection that is first named when it is read', async () => {
    const { adapter, recorder } = await follow()
    const from = await adapter.read('late', {}, () => {})
    await client.hSet(`${prefix}late:1`, 'name', 'x')
    await recorder.until(() => recorder.changesSeen.length === 1)
    expect(recorder.changesSeen[0]).to.deep.include({ collection: 'late', id: '1' })
    expect(adapter.compare(from.to, recorder.position)).to.be.below(0)
  })

  it('has told all that a reading holds up to the end of the reading', async () => {
    const { adapter, recorder } = await follow()
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        Array.from({ length: 50 }, (_, id) => client.hSet(`${prefix}users:${id}`, 'n', `${round}`)),
      )
      const documents = new Map<unknown, unknown>()
      const { to } = await adapter.read('users', {}, (batch) => {
        for (const { _id, n } of batch) documents.set(_id, n)
      })
      await recorder.reached(adapter, to)
      const told = new Map(
        recorder.changesSeen
          .filter(({ position }) => adapter.compare(position, to) <= 0)
          .flatMap((change) => ('id' in change ? [[change.id, change.document?.n] as const] : [])),
      )
      expect([...told].sort()).to.deep.equal([...documents].sort())
    }
  })
})
