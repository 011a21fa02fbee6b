import { expect } from 'chai'
import { type Db, MongoClient } from 'mongodb'
import { mongo } from '../../../lib/source/mongo/index.ts'
import { type MongoServer, mongoOrSkip, startMongo } from '../../support/mongod.ts'
import { freshDatabase, Recorder, readAll } from './fold.ts'

const TIMES = 100

describe('source/mongo opened and closed again and again', () => {
  let server: MongoServer
  let client: MongoClient
  let db: Db
  let cursors: Set<string>

  before(async function () {
    // A server of its own: SecantusDB reads its whole oplog to find a place by time.
    server = await mongoOrSkip(this, startMongo)
    client = new MongoClient(server.url, { monitorCommands: true })
    cursors = new Set()
    client.on('commandSucceeded', ({ reply, commandName }) => {
      const { cursor, cursorsKilled = [] } = reply as Reply
      const id = String(cursor?.id ?? 0)
      if (id !== '0' && commandName === 'aggregate') cursors.add(id)
      for (const killed of cursorsKilled) cursors.delete(String(killed))
    })
    db = freshDatabase(client)
    await db.collection('users').insertOne({ n: 0 })
  })

  after(async () => {
    await db?.dropDatabase()
    await client?.close()
    await server?.stop()
  })

  /** What keeps this process busy or alive, by kind; without what is there once and for all (the driver's pool). */
  function resources() {
    const counts = new Map<string, number>()
    for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
    return { timers: counts.get('Timeout') ?? 0, sockets: counts.get('TCPSocketWrap') ?? 0 }
  }

  function listeners() {
    return client.eventNames().reduce((sum, name) => sum + client.listenerCount(name), 0)
  }

  async function cycle(round: number) {
    const adapter = mongo(db)
    const recorder = new Recorder()
    const subscription = await adapter.open(recorder, round % 5 === 0 ? await adapter.past(1000) : undefined)
    if (round % 4 === 0) await readAll(adapter, 'users')
    if (round % 10 === 0) {
      await db.collection('users').updateOne({}, { $inc: { n: 1 } })
      await recorder.until(() => recorder.changesSeen.length > 0)
    }
    // At every point of the opening, which goes on when open() has resolved.
    await new Promise((resolve) => setTimeout(resolve, round % 7))
    await subscription.close()
    expect(recorder.errors).to.deep.equal([])
  }

  it(`leaves no timer, no socket, no listener and no cursor behind (${TIMES} times)`, async () => {
    for (let round = 0; round < 20; round += 1) await cycle(round)
    const before = { ...resources(), listeners: listeners() }
    for (let round = 0; round < TIMES; round += 1) await cycle(round)
    await new Promise((resolve) => setTimeout(resolve, 100))
    const after = { ...resources(), listeners: listeners() }
    expect(after.listeners).to.equal(before.listeners)
    // The pool may have grown by what was asked at the same time, never by what was opened.
    expect(after.sockets).to.be.at.most(before.sockets + 5)
    expect(after.timers).to.be.at.most(before.timers + 5)
    expect([...cursors]).to.deep.equal([])
  }).timeout(120_000)
})

interface Reply {
  cursor?: { id?: unknown }
  cursorsKilled?: unknown[]
}
