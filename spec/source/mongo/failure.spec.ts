import { expect } from 'chai'
import { type Db, MongoClient } from 'mongodb'
import { ParticleError } from '../../../lib/errors.ts'
import { MongoWatch, mongo } from '../../../lib/source/mongo/index.ts'
import type { Subscription } from '../../../lib/source/source.ts'
import { type MongoServer, mongoOrSkip, startMongo } from '../../support/mongod.ts'
import { closeAll, freshDatabase, Recorder, readAll } from './fold.ts'

describe('source/mongo on a server that fails', () => {
  describe('(a standalone one)', () => {
    let server: MongoServer
    let client: MongoClient

    before(async function () {
      server = await mongoOrSkip(this, () => startMongo({ standalone: true }))
      client = new MongoClient(server.url)
    })

    after(async () => {
      await client?.close()
      await server?.stop()
    })

    it('refuses to open with a sentence that says how to start a replica set', async () => {
      const error: unknown = await mongo(client.db('d'))
        .open(new Recorder())
        .catch((e: unknown) => e)
      expect(error).to.be.instanceOf(ParticleError)
      expect(error).to.include({ code: 'NO_REPLICA_SET' })
      expect((error as Error).message)
        .to.include('mongod --replSet rs0')
        .and.include("mongosh --eval 'rs.initiate()'")
    })

    it('tells a watch the same, by onError and ready', async () => {
      const errors: unknown[] = []
      const watcher = new MongoWatch({ client, onError: (error) => errors.push(error) })
      const { ready } = watcher.watch('d.users', () => {})
      const error: unknown = await ready.catch((e: unknown) => e)
      expect(error).to.include({ code: 'NO_REPLICA_SET' })
      expect(errors).to.deep.equal([error])
      await watcher.stopAll()
    })
  })

  describe('(one with fail points)', () => {
    let server: MongoServer
    let client: MongoClient
    let db: Db
    const open: Subscription[] = []

    before(async function () {
      const args = ['--enable-test-commands']
      server = await mongoOrSkip(this, () => startMongo({ args, durable: true }))
      client = new MongoClient(server.url, { serverSelectionTimeoutMS: 500 })
    })

    after(async () => {
      await client?.close()
      await server?.stop()
    })

    beforeEach(() => {
      db = freshDatabase(client)
    })

    afterEach(() => closeAll(open))

    async function follow(from?: string) {
      const adapter = mongo(db)
      const recorder = new Recorder()
      const subscription = await adapter.open(recorder, from)
      open.push(subscription)
      return { adapter, recorder, subscription }
    }

    async function failNext(data: object, times: number) {
      await client.db('admin').command({ configureFailPoint: 'failCommand', mode: { times }, data })
    }

    it('goes on without loss or repetition after errors of the open stream', async () => {
      const { recorder } = await follow()
      const users = db.collection<{ _id: number }>('users')
      for (let _id = 0; _id < 60; _id += 1) {
        if (_id % 20 === 5) await failNext({ failCommands: ['getMore'], errorCode: 11602 }, 1)
        if (_id % 20 === 15) await failNext({ failCommands: ['getMore', 'aggregate'], errorCode: 8000 }, 2)
        await users.insertOne({ _id })
      }
      await recorder.until(() => recorder.changesSeen.length >= 60)
      expect(recorder.changesSeen.map((change) => 'id' in change && change.id)).to.deep.equal(
        Array.from({ length: 60 }, (_, _id) => _id),
      )
      expect(recorder.errors).to.not.be.empty
      expect(recorder.losses).to.deep.equal([])
    }).timeout(30_000)

    it('says that the history is lost, and goes on from now', async () => {
      const { adapter, recorder } = await follow()
      await db.collection('users').insertOne({ n: 1 })
      await recorder.until(() => recorder.changesSeen.length === 1)
      await failNext({ failCommands: ['getMore'], errorCode: 286 }, 1)
      await recorder.until(() => recorder.losses.length > 0)
      const [loss] = recorder.losses
      expect(loss?.reason).to.include('lost the history')
      expect(
        adapter.compare(loss?.position ?? '', recorder.changesSeen[0]?.position ?? ''),
      ).to.be.greaterThan(0)
      await db.collection('users').insertOne({ n: 2 })
      await recorder.until(() => recorder.changesSeen.length === 2)
      expect(recorder.losses).to.have.lengthOf(1)
    })

    it('starts from now, and says so, where the history does not reach back to the position', async () => {
      const { adapter, recorder, subscription } = await follow()
      const users = db.collection('users')
      await users.insertMany([{ n: 0 }, { n: 1 }])
      await recorder.until(() => recorder.changesSeen.length === 2)
      const from = recorder.changesSeen[0]?.position ?? ''
      await subscription.close()
      // Not by a history that is really too short: SecantusDB then starts at the oldest entry, where MongoDB says ChangeStreamHistoryLost.
      await failNext({ failCommands: ['aggregate'], errorCode: 286 }, 1)
      const again = await follow(from)
      expect(adapter.compare(again.subscription.position, from)).to.be.greaterThan(0)
      await users.insertOne({ n: 2 })
      await again.recorder.until(() => again.recorder.changesSeen.length > 0)
      expect(again.recorder.changesSeen).to.have.lengthOf(1)
      expect(again.recorder.losses).to.deep.equal([])
    })

    it('goes on after the server was restarted', async () => {
      const { adapter, recorder } = await follow()
      const users = db.collection<{ _id: number }>('users')
      await users.insertOne({ _id: 1 })
      await recorder.until(() => recorder.changesSeen.length === 1)
      await server.restart?.()
      await users.insertOne({ _id: 2 })
      await recorder.until(() => recorder.changesSeen.length === 2)
      expect(recorder.changesSeen.map((change) => 'id' in change && change.id)).to.deep.equal([1, 2])
      const { to } = await readAll(adapter, 'users')
      await recorder.reached(adapter, to)
    }).timeout(30_000)
  })
})
