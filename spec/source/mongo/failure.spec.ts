import { createServer } from 'node:net'
import { expect } from 'chai'
import { type Db, MongoClient } from 'mongodb'
import { ParticleError } from '../../../lib/errors.ts'
import { MongoWatch, mongo } from '../../../lib/source/mongo/index.ts'
import type { Subscription } from '../../../lib/source/source.ts'
import { type MongoServer, mongoOrSkip, startMongo } from '../../support/mongod.ts'
import { freePort } from '../../support/process.ts'
import { Copy, closeAll, freshDatabase, Recorder, readAll } from './fold.ts'

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

  describe('(none, at first)', () => {
    const clients: MongoClient[] = []

    afterEach(async () => {
      for (const client of clients.splice(0)) await client.close()
    })

    function clientOf(port: number, serverSelectionTimeoutMS = 300) {
      const url = `mongodb://127.0.0.1:${port}/?directConnection=true`
      const client = new MongoClient(url, { serverSelectionTimeoutMS })
      clients.push(client)
      return client
    }

    it('tells why it can not connect, and follows, reads and watches once the server is there', async function () {
      const port = await freePort()
      const client = clientOf(port)
      const adapter = mongo(client.db('d'))
      // The first operation is the only one after which the driver connects by itself.
      const first: unknown = await adapter.past(1_000).catch((error: unknown) => error)
      const recorder = new Recorder()
      const opening = adapter.open(recorder)
      const errors: unknown[] = []
      const own = clientOf(port)
      const watcher = new MongoWatch({ client: own, onError: (error) => errors.push(error) })
      const { ready } = watcher.watch('d.users', () => {})
      await recorder.until(() => recorder.errors.length >= 2 && errors.length >= 2)
      const read: unknown = await readAll(adapter, 'users').catch((error: unknown) => error)
      const all = [first, read, ...recorder.errors, ...errors] as Error[]
      expect([...new Set(all.map(({ name }) => name))]).to.deep.equal(['MongoServerSelectionError'])
      expect([...new Set(all.map(({ message }) => message))]).to.deep.equal([
        `connect ECONNREFUSED 127.0.0.1:${port}`,
      ])
      const server = await mongoOrSkip(this, () => startMongo({ args: [], port }))
      try {
        const subscription = await opening
        await ready
        await client.db('d').collection('users').insertOne({ n: 1 })
        await recorder.until(() => recorder.changesSeen.length === 1)
        expect((await readAll(adapter, 'users')).documents).to.have.length(1)
        await subscription.close()
        await watcher.stopAll()
      } finally {
        await server.stop()
      }
    }).timeout(60_000)

    it('gives up the attempt under way when its opening is aborted', async () => {
      const adapter = mongo(clientOf(await freePort(), 20_000).db('d'))
      const recorder = new Recorder()
      const abort = new AbortController()
      const opening = adapter.open(recorder, undefined, abort.signal).catch((error: unknown) => error)
      const reason = new Error('nobody waits')
      const began = performance.now()
      setImmediate(() => abort.abort(reason))
      expect(await opening).to.equal(reason)
      expect(performance.now() - began).to.be.below(1_000)
      expect(recorder.errors).to.deep.equal([])
    })

    it('never connects a client again that the application has closed, and says so', async () => {
      let connections = 0
      const listening = createServer((socket) => {
        connections += 1
        socket.destroy()
      })
      const port = await freePort()
      const client = clientOf(port)
      const adapter = mongo(client.db('d'))
      await adapter.past(1_000).catch(() => {})
      await client.close()
      await new Promise<void>((resolve) => listening.listen(port, '127.0.0.1', resolve))
      try {
        const asked = [
          () => adapter.open(new Recorder()),
          () => adapter.past(1_000),
          () => readAll(adapter, 'u'),
        ]
        for (const ask of asked) {
          const error: unknown = await ask().catch((failure: unknown) => failure)
          expect(error).to.be.instanceOf(ParticleError).and.include({ code: 'SOURCE_FAILED' })
          expect((error as Error).message).to.include('The application has closed the MongoClient')
        }
        expect(connections).to.equal(0)
      } finally {
        listening.close()
      }
    })
  })

  describe('(one with fail points)', () => {
    let server: MongoServer
    /** The adapter's client, and that of those who write. */
    let client: MongoClient
    let patient: MongoClient
    let db: Db
    const open: Subscription[] = []

    before(async function () {
      // What was acknowledged survives SIGKILL, as with a majority's journals on MongoDB.
      const args = ['--enable-test-commands', '--sync-on-commit']
      server = await mongoOrSkip(this, () => startMongo({ args, durable: true }))
      client = new MongoClient(server.url, { serverSelectionTimeoutMS: 500 })
      patient = new MongoClient(server.url)
    })

    after(async () => {
      await client?.close()
      await patient?.close()
      await server?.stop()
    })

    beforeEach(() => {
      db = freshDatabase(patient)
    })

    afterEach(async () => {
      await closeAll(open)
      await patient.db('admin').command({ configureFailPoint: 'failCommand', mode: 'off' })
    })

    async function follow(from?: string) {
      const adapter = mongo(client.db(db.databaseName))
      const recorder = new Recorder()
      const subscription = await adapter.open(recorder, from)
      open.push(subscription)
      return { adapter, recorder, subscription }
    }

    async function failNext(data: object, times: number) {
      await patient.db('admin').command({ configureFailPoint: 'failCommand', mode: { times }, data })
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

    it('tells of errors after which the driver goes on by itself, and pauses, where they come again and again', async () => {
      const { recorder } = await follow()
      await db.collection('users').insertOne({ n: 1 })
      await recorder.until(() => recorder.changesSeen.length === 1)
      // By its label, the driver opens the stream anew, at once.
      const errorLabels = ['ResumableChangeStreamError']
      await failNext({ failCommands: ['getMore'], errorCode: 8000, errorLabels }, 8)
      await recorder.until(() => recorder.errors.length >= 2)
      expect(String(recorder.errors[0])).to.include('again and again')
      await db.collection('users').insertOne({ n: 2 })
      await recorder.until(() => recorder.changesSeen.length === 2)
      expect(recorder.errors).to.have.length.below(5)
      expect(recorder.losses).to.deep.equal([])
    }).timeout(20_000)

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

    for (const [code, name] of [
      [286, 'ChangeStreamHistoryLost'],
      [280, 'ChangeStreamFatalError'],
      [260, 'InvalidResumeToken'],
      [10334, 'BSONObjectTooLarge'],
    ] as const) {
      it(`tells all that comes after a loss, while it is written to (${name}, three in a row)`, async () => {
        const { adapter, recorder } = await follow()
        const users = db.collection<{ _id: number }>('users')
        let writing = true
        const writer = (async () => {
          for (let _id = 0; writing; _id += 1) await users.insertOne({ _id })
        })()
        await recorder.until(() => recorder.changesSeen.length > 10)
        // As the server does: at each loss all is read again, and every change past the reading's begin is told.
        let reading = readAll(adapter, 'users')
        const lost = recorder.lost.bind(recorder)
        recorder.lost = (reason, position) => {
          lost(reason, position)
          reading = readAll(adapter, 'users')
        }
        await failNext({ failCommands: ['getMore'], errorCode: code }, 3)
        await recorder.until(() => recorder.losses.length >= 3)
        const count = recorder.changesSeen.length
        await recorder.until(() => recorder.changesSeen.length > count + 20)
        writing = false
        await writer
        const final = await readAll(adapter, 'users')
        await recorder.reached(adapter, final.to)
        const { documents, from } = await reading
        const copy = new Copy()
        copy.fill('users', documents)
        copy.apply(recorder.changesSeen.filter((change) => adapter.compare(change.position, from) > 0))
        expect(copy.sorted('users')).to.deep.equal(final.documents)
        const { position = '' } = recorder.losses.at(-1) ?? {}
        expect(adapter.compare(from, position)).to.be.at.least(0)
        // Nothing is missing from the loss on, and nothing is told twice.
        const ids = recorder.changesSeen.map((change) => ('id' in change ? Number(change.id) : -1))
        expect(ids).to.deep.equal([...new Set(ids)])
        const after = recorder.changesSeen.filter((change) => adapter.compare(change.position, position) > 0)
        const first = after[0] && 'id' in after[0] ? Number(after[0].id) : 0
        expect(ids.slice(ids.length - after.length)).to.deep.equal(after.map((_, index) => first + index))
        expect(ids.at(-1)).to.equal(final.documents.length - 1)
      }).timeout(20_000)
    }

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

    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      it(`goes on with nothing lost or told twice after the server was ended by ${signal} in mid-stream`, async () => {
        const { adapter, recorder, subscription } = await follow()
        const users = db.collection<{ _id: number }>('users')
        let writing = true
        const writer = (async () => {
          // What is not acknowledged may have been written all the same; the next one has another id.
          for (let _id = 0; writing; _id += 1) {
            await users.insertOne({ _id }).catch(() => new Promise((resolve) => setTimeout(resolve, 50)))
          }
        })()
        for (let restarts = 0; restarts < 2; restarts += 1) {
          const count = recorder.changesSeen.length
          await recorder.until(() => recorder.changesSeen.length > count + 20, 20_000)
          // More than a second: SecantusDB's times begin anew with each second, and would go back.
          await server.restart?.(signal, 1_200)
        }
        const count = recorder.changesSeen.length
        await recorder.until(() => recorder.changesSeen.length > count + 20, 20_000)
        writing = false
        await writer
        const { documents, to } = await readAll(adapter, 'users')
        await recorder.reached(adapter, to)
        const ids = documents.map(({ _id }) => Number(_id)).sort((a, b) => a - b)
        expect(recorder.changesSeen.map((change) => 'id' in change && change.id)).to.deep.equal(ids)
        expect(recorder.losses).to.deep.equal([])
        expect(recorder.errors).to.not.be.empty
        // Any position of before is still good on another process, which never saw the first server.
        const other = new MongoClient(server.url)
        const again = new Recorder()
        const middle = recorder.changesSeen[10]?.position ?? ''
        const resumed = await mongo(other.db(db.databaseName)).open(again, middle)
        expect([subscription.position, resumed.position]).to.deep.equal([subscription.position, middle])
        await again.reached(adapter, to)
        expect(again.changesSeen).to.deep.equal(recorder.changesSeen.slice(11))
        await resumed.close()
        await other.close()
      }).timeout(60_000)
    }

    it('says of an open stream that the application has closed its client, and goes on once that connects', async () => {
      const own = new MongoClient(server.url, { serverSelectionTimeoutMS: 500 })
      const recorder = new Recorder()
      open.push(await mongo(own.db(db.databaseName)).open(recorder))
      await own.close()
      await recorder.until(() => recorder.errors.some((error) => error instanceof ParticleError))
      expect(String(recorder.errors.at(-1))).to.include('call server.disconnect() before client.close()')
      await own.connect()
      await db.collection('users').insertOne({ n: 1 })
      await recorder.until(() => recorder.changesSeen.length === 1)
      await closeAll(open)
      await own.close()
    }).timeout(20_000)

    it('tells why it waits while no server is there, again and again', async () => {
      const { recorder } = await follow()
      await db.collection('users').insertOne({ n: 1 })
      await recorder.until(() => recorder.changesSeen.length === 1)
      const times: number[] = []
      const told = recorder.error.bind(recorder)
      recorder.error = (error) => {
        times.push(Date.now())
        told(error)
      }
      await server.restart?.('SIGKILL', 5000)
      const pauses = times.slice(1).map((time, index) => time - (times[index] ?? 0))
      // 0.5 s of the driver's own patience, and 0.5 s, 1 s, 2 s between two tries.
      expect(
        pauses.slice(0, 2).map((pause) => Math.floor(pause / 500)),
        String(pauses),
      ).to.deep.equal([2, 3])
      await db.collection('users').insertOne({ n: 2 })
      await recorder.until(() => recorder.changesSeen.length === 2, 20_000)
    }).timeout(60_000)
  })
})
