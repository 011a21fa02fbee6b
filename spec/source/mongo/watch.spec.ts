import { expect } from 'chai'
import { type ChangeStreamDocument, type Db, MongoClient } from 'mongodb'
import { MongoWatch, type NormalEvent, type PrettyEvent } from '../../../lib/source/mongo/index.ts'
import { eventually } from '../../support/http.ts'
import { type MongoServer, mongoOrSkip } from '../../support/mongod.ts'
import { freshDatabase } from './fold.ts'

/** Waits for long where the machine is busy: the database then takes seconds to answer. */
const until = (condition: () => boolean) => eventually(condition, 'the event', 30_000)

const pause = () => new Promise((resolve) => setTimeout(resolve, 200))

describe('MongoWatch', () => {
  let server: MongoServer
  let client: MongoClient
  let db: Db
  const watchers: { stopAll(): Promise<void> }[] = []

  before(async function () {
    server = await mongoOrSkip(this)
    client = new MongoClient(server.url)
  })

  after(() => client?.close())

  beforeEach(() => {
    db = freshDatabase(client)
  })

  afterEach(async () => {
    await Promise.all(watchers.splice(0).map((watcher) => watcher.stopAll()))
    await db.dropDatabase()
  })

  function kept<W extends { stopAll(): Promise<void> }>(watcher: W): W {
    watchers.push(watcher)
    return watcher
  }

  it('tells a collection’s changes as deltas', async () => {
    const watcher = kept(new MongoWatch({ format: 'normal', client }))
    const events: NormalEvent[] = []
    const stop = watcher.watch(`${db.databaseName}.users`, (event) => events.push(event))
    await stop.ready
    const users = db.collection<{ _id: number; [field: string]: unknown }>('users')
    await users.insertOne({ _id: 1, a: [1] })
    await users.updateOne({ _id: 1 }, { $push: { a: 2 } } as never)
    await users.updateOne({ _id: 1 }, [
      { $replaceWith: { $setField: { field: 'x[0]', input: '$$ROOT', value: 5 } } },
    ])
    await users.deleteOne({ _id: 1 })
    await db.collection('others').insertOne({ x: 1 })
    await users.drop()
    await users.insertOne({ _id: 2 })
    await until(() => events.some(({ oplist }) => oplist[0]?.id === 2))
    const namespace = `${db.databaseName}.users`
    for (const event of events) {
      expect(event.timestamp).to.be.instanceOf(Date)
      expect(event.namespace).to.equal(namespace)
    }
    const operations = events.filter(
      ({ oplist }) => oplist[0]?.path !== '.' || oplist[0].operation === 'unset',
    )
    expect(operations.map(({ oplist, reset }) => ({ oplist, reset }))).to.deep.equal([
      { oplist: [{ operation: 'set', id: 1, path: 'a.1', data: 2, keys: ['a', 1] }], reset: undefined },
      { oplist: [{ operation: 'unset', id: 1, path: '.' }], reset: undefined },
      { oplist: [], reset: true },
    ])
    expect(events[0]?.oplist).to.deep.equal([
      { operation: 'set', id: 1, path: '.', data: { _id: 1, a: [1] } },
    ])
  })

  it('goes on after the collection was dropped or renamed, also twice', async () => {
    const watcher = kept(new MongoWatch({ client }))
    const events: NormalEvent[] = []
    await watcher.watch(`${db.databaseName}.users`, (event) => events.push(event)).ready
    for (let n = 1; n <= 2; n += 1) {
      await db.collection('users').insertOne({ n })
      await db.collection('users').rename(`old${n}`)
    }
    await db.collection('users').insertOne({ n: 3 })
    await until(() => events.length >= 5)
    expect(events.map(({ reset }) => reset === true)).to.deep.equal([false, true, false, true, false])
  })

  it('watches a database and a whole deployment', async () => {
    const watcher = kept(new MongoWatch({ client }))
    const other = freshDatabase(client)
    const ofDatabase: string[] = []
    const ofAll: string[] = []
    const ours = (name: string) => name.startsWith(db.databaseName) || name.startsWith(other.databaseName)
    await watcher.watch(`${db.databaseName}.*`, ({ namespace }) => ofDatabase.push(namespace)).ready
    await watcher.watch('*', ({ namespace }) => ours(namespace) && ofAll.push(namespace)).ready
    await db.collection('a').insertOne({ x: 1 })
    await other.collection('c').insertOne({ x: 1 })
    await db.collection('b').insertOne({ x: 1 })
    await until(() => ofDatabase.length >= 2 && ofAll.length >= 3)
    expect(ofDatabase).to.deep.equal([`${db.databaseName}.a`, `${db.databaseName}.b`])
    expect(ofAll).to.deep.equal([`${db.databaseName}.a`, `${other.databaseName}.c`, `${db.databaseName}.b`])
    await other.dropDatabase()
  })

  it('tells change events in plain JSON with format pretty', async () => {
    const watcher = kept(new MongoWatch({ client, format: 'pretty' }))
    const events: PrettyEvent[] = []
    await watcher.watch(`${db.databaseName}.*`, (event) => events.push(event)).ready
    const { insertedId } = await db.collection('users').insertOne({ a: 1, b: 2 })
    await db.collection('users').updateOne({}, { $set: { a: 2 }, $unset: { b: '' } })
    await db.collection('users').rename('people')
    await until(() => events.some(({ operation }) => operation === 'rename'))
    const told = events.filter(({ operation }) => operation !== 'create')
    const namespace = `${db.databaseName}.users`
    const targetId = insertedId.toHexString()
    for (const event of told) {
      expect(event.timestamp).to.be.instanceOf(Date)
      expect(event.operationId).to.match(/^[0-9a-fA-F]+$/)
      expect(event.namespace).to.equal(namespace)
    }
    expect(told[0]).to.deep.include({ operation: 'insert', targetId, data: { _id: targetId, a: 1, b: 2 } })
    expect(told[1]).to.deep.include({
      operation: 'update',
      targetId,
      update: { set: { a: 2 }, unset: ['b'], truncate: {} },
    })
    expect(told[2]).to.deep.include({ operation: 'rename', to: `${db.databaseName}.people` })
  })

  it('hands on the driver’s own events with format raw', async () => {
    const watcher = kept(new MongoWatch({ client, format: 'raw' }))
    const events: ChangeStreamDocument[] = []
    await watcher.watch(`${db.databaseName}.users`, (event) => events.push(event)).ready
    const { insertedId } = await db.collection('users').insertOne({ a: 1 })
    await until(() => events.some(({ operationType }) => operationType === 'insert'))
    const insert = events.find(({ operationType }) => operationType === 'insert')
    expect(insert).to.deep.include({
      documentKey: { _id: insertedId },
      fullDocument: { _id: insertedId, a: 1 },
    })
  })

  it('tells nothing of before the call, and misses nothing after it, also for a second listener', async () => {
    const watcher = kept(new MongoWatch({ client }))
    const users = db.collection<{ _id: number }>('users')
    const ids: unknown[][] = [[], []]
    await users.insertOne({ _id: 1 })
    await watcher.watch(`${db.databaseName}.users`, ({ oplist }) => ids[0]?.push(oplist[0]?.id)).ready
    await users.insertOne({ _id: 2 })
    const writing = (async () => {
      for (let _id = 3; _id < 40; _id += 1) await users.insertOne({ _id })
    })()
    const second = watcher.watch(`${db.databaseName}.users`, ({ oplist }) => ids[1]?.push(oplist[0]?.id))
    await second.ready
    await writing
    await users.insertOne({ _id: 40 })
    await until(() => ids.every((list) => list.at(-1) === 40))
    expect(ids[0]).to.deep.equal(Array.from({ length: 39 }, (_, i) => i + 2))
    const [first] = ids[1] as number[]
    expect(first).to.be.greaterThan(2)
    expect(ids[1]).to.deep.equal(ids[0]?.slice(ids[0].indexOf(first)))
  })

  it('stops a listener at once, and lets the others go on', async () => {
    const watcher = kept(new MongoWatch({ client }))
    const counts = [0, 0]
    const stop = watcher.watch(`${db.databaseName}.users`, () => {
      counts[0] = (counts[0] ?? 0) + 1
    })
    const other = watcher.watch(`${db.databaseName}.users`, () => {
      counts[1] = (counts[1] ?? 0) + 1
    })
    await Promise.all([stop.ready, other.ready])
    stop()
    stop()
    await db.collection('users').insertOne({ x: 1 })
    await until(() => counts[1] === 1)
    await watcher.stopAll()
    await db.collection('users').insertOne({ x: 2 })
    await pause()
    expect(counts).to.deep.equal([0, 1])
  })

  it('can be stopped before it is open', async () => {
    const watcher = kept(new MongoWatch({ client }))
    const stop = watcher.watch(`${db.databaseName}.users`, () => expect.fail('told'))
    stop()
    expect(await stop.ready.catch((error: unknown) => error)).to.include({ code: 'CLOSED' })
    await db.collection('users').insertOne({ x: 1 })
    await pause()
  })

  it('reports a listener that throws or rejects, and tells the others', async () => {
    const errors: unknown[] = []
    const watcher = kept(new MongoWatch({ client, onError: (error) => errors.push(error) }))
    let told = 0
    const name = `${db.databaseName}.users`
    await Promise.all([
      watcher.watch(name, () => {
        throw new Error('thrown')
      }).ready,
      watcher.watch(name, async () => {
        throw new Error('rejected')
      }).ready,
      watcher.watch(name, () => {
        told += 1
      }).ready,
    ])
    await db.collection('users').insertOne({ x: 1 })
    await db.collection('users').insertOne({ x: 2 })
    await until(() => told === 2 && errors.length === 4)
    expect(errors.map(String)).to.have.members([
      'Error: thrown',
      'Error: rejected',
      'Error: thrown',
      'Error: rejected',
    ])
  })

  it('connects by a url, and again after stopAll', async () => {
    const watcher = kept(new MongoWatch({ url: server.url }))
    for (let round = 1; round <= 2; round += 1) {
      let told = 0
      await watcher.watch(`${db.databaseName}.users`, () => {
        told += 1
      }).ready
      await db.collection('users').insertOne({ round })
      await until(() => told === 1)
      await watcher.stopAll()
    }
  })

  it('tries again, and tells why, where nothing answers', async () => {
    const errors: unknown[] = []
    const url = 'mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50'
    const watcher = kept(new MongoWatch({ url, onError: (error) => errors.push(error) }))
    const { ready } = watcher.watch('d.users', () => {})
    await until(() => errors.length >= 2)
    await watcher.stopAll()
    expect(await ready.catch((error: unknown) => error)).to.include({ code: 'CLOSED' })
    const count = errors.length
    await pause()
    expect(errors.length).to.equal(count)
  })

  it('refuses malformed namespaces and contradictory options', () => {
    const watcher = new MongoWatch({ client })
    for (const namespace of [
      '',
      'users',
      '.users',
      'db.',
      '*.users',
      'db.us*',
      '**',
      7 as unknown as string,
    ]) {
      expect(() => watcher.watch(namespace, () => {}), String(namespace)).to.throw('A namespace is')
    }
    expect(() => new MongoWatch({ client, url: 'mongodb://x' })).to.throw('not both')
    expect(() => new MongoWatch({ format: 'nice' as 'raw' })).to.throw('normal, pretty, raw')
    expect(() => new MongoWatch({ colour: 1 } as object)).to.throw('colour')
    expect(() => new MongoWatch()).to.not.throw()
  })
})
