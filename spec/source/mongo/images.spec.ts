import { expect } from 'chai'
import { type CommandStartedEvent, type Db, MongoClient } from 'mongodb'
import { Server } from '../../../lib/server/index.ts'
import { mongo } from '../../../lib/source/mongo/index.ts'
import type { DocumentChange, Subscription } from '../../../lib/source/source.ts'
import { LocalClient, until } from '../../support/local.ts'
import { mongoOrSkip } from '../../support/mongod.ts'
import { closeAll, freshDatabase, imagesOrSkip, Recorder } from './fold.ts'

type User = { _id: number; [field: string]: unknown }

const IMAGES = { changeStreamPreAndPostImages: { enabled: true } }

describe('source/mongo on collections with pre-images', () => {
  let client: MongoClient
  let db: Db
  let streams: { fullDocument?: string; fullDocumentBeforeChange?: string }[]
  const open: Subscription[] = []

  before(async function () {
    client = new MongoClient((await mongoOrSkip(this)).url, { monitorCommands: true })
    await imagesOrSkip(this, client)
    client.on('commandStarted', ({ command }: CommandStartedEvent) => {
      const stage = command.pipeline?.[0]?.$changeStream
      // The one with nothing to say only asks where to begin.
      if (stage && Object.keys(stage).length > 0) streams.push(stage)
    })
  })

  after(() => client?.close())

  beforeEach(() => {
    db = freshDatabase(client)
    streams = []
  })

  afterEach(async () => {
    await closeAll(open)
    await db.dropDatabase()
  })

  async function follow(from?: string) {
    const recorder = new Recorder()
    const subscription = await mongo(db).open(recorder, from)
    open.push(subscription)
    return { recorder, from: subscription.position }
  }

  const images = (recorder: Recorder) =>
    (recorder.changesSeen as DocumentChange[]).map(({ kind, before, document }) => ({
      kind,
      before,
      document,
    }))

  it('tells the document before and after each change, exactly, whatever happened to it since', async () => {
    const users = await db.createCollection<User>('users', IMAGES)
    await users.insertOne({ _id: 1, n: 1, list: [1, 2, { x: 3 }], deep: { er: 1 } })
    await users.updateOne({ _id: 1 }, { $inc: { n: 1 }, $push: { list: 4 } } as object)
    const { recorder, from } = await follow()
    await users.updateOne({ _id: 1 }, { $set: { n: 3, 'list.2.x': 5 }, $unset: { 'deep.er': '' } })
    await users.updateOne({ _id: 1 }, { $pop: { list: 1 } } as object)
    await users.replaceOne({ _id: 1 }, { n: 4 })
    await users.deleteOne({ _id: 1 })
    const [second, third] = [
      { _id: 1, n: 3, list: [1, 2, { x: 5 }, 4], deep: {} },
      { _id: 1, n: 3, list: [1, 2, { x: 5 }], deep: {} },
    ]
    const expected = [
      {
        kind: 'update',
        before: { _id: 1, n: 2, list: [1, 2, { x: 3 }, 4], deep: { er: 1 } },
        document: second,
      },
      { kind: 'update', before: second, document: third },
      { kind: 'update', before: third, document: { _id: 1, n: 4 } },
      { kind: 'delete', before: { _id: 1, n: 4 }, document: undefined },
    ]
    await recorder.until(() => recorder.changesSeen.length >= 4)
    expect(images(recorder)).to.deep.equal(expected)
    // Long after, with the document gone, the history tells the same.
    const { recorder: late } = await follow(from)
    await late.until(() => late.changesSeen.length >= 4)
    expect(images(late)).to.deep.equal(expected)
  })

  it('tells those who see other fields nothing of a replacement and of a parent that is set', async () => {
    const users = await db.createCollection<User>('users', IMAGES)
    await users.insertOne({
      _id: 1,
      name: 'ada',
      secret: 1,
      home: { town: 'x', key: 1 },
      list: [{ n: 1, s: 1 }],
    })
    const manifest = { name: true, home: { town: true }, list: { n: true } } as const
    const server = new Server({
      dataSources: { users: { manifest, collection: mongo(db).collection('users') } },
    })
    try {
      const local = await LocalClient.connect(server)
      await until(() => local.ready)
      await users.replaceOne(
        { _id: 1 },
        { name: 'ada', secret: 2, home: { town: 'x', key: 2 }, list: [{ n: 1, s: 2 }] },
      )
      await users.updateOne({ _id: 1 }, {
        $set: { home: { town: 'x', key: 3 }, list: [{ n: 1, s: 3 }] },
      } as object)
      await users.replaceOne({ _id: 1 }, { name: 'bob', home: { town: 'x', key: 3 }, list: [{ n: 2, s: 3 }] })
      await until(() => local.model.users?.[0]?.name === 'bob')
      expect(local.of('delta').map(({ data }) => data.oplist)).to.deep.equal([
        [
          { operation: 'set', path: 'name', data: 'bob', id: 1 },
          { operation: 'set', path: 'list.0.n', data: 2, id: 1 },
        ],
      ])
    } finally {
      await server.disconnect()
    }
  })

  it('tells each step of a transaction', async () => {
    const users = await db.createCollection<User>('users', IMAGES)
    await users.insertOne({ _id: 1, n: 1 })
    const { recorder } = await follow()
    await client.withSession((session) =>
      session.withTransaction(async () => {
        await users.updateOne({ _id: 1 }, { $inc: { n: 1 } } as object, { session })
        await users.updateOne({ _id: 1 }, { $inc: { n: 1 } } as object, { session })
        await users.deleteOne({ _id: 1 }, { session })
      }),
    )
    await recorder.until(() => recorder.changesSeen.length >= 3)
    expect(images(recorder)).to.deep.equal([
      { kind: 'update', before: { _id: 1, n: 1 }, document: { _id: 1, n: 2 } },
      { kind: 'update', before: { _id: 1, n: 2 }, document: { _id: 1, n: 3 } },
      { kind: 'delete', before: { _id: 1, n: 3 }, document: undefined },
    ])
  })

  it('asks for none where no collection keeps them, and never for documents that are looked up', async () => {
    const { recorder } = await follow()
    const users = db.collection<User>('users')
    await users.insertOne({ _id: 1, n: 1 })
    await users.updateOne({ _id: 1 }, { $inc: { n: 1 } } as object)
    await recorder.until(() => recorder.changesSeen.length >= 2)
    expect(images(recorder)[1]).to.deep.equal({ kind: 'update', before: undefined, document: undefined })
    expect(
      streams.map(({ fullDocument, fullDocumentBeforeChange }) => [fullDocument, fullDocumentBeforeChange]),
    ).to.deep.equal([[undefined, undefined]])
  })

  it('begins to tell them with the first write after a collection began to keep them', async () => {
    const { recorder } = await follow()
    const users = db.collection<User>('users')
    await users.insertMany([{ _id: 1 }, { _id: 2 }])
    await users.updateOne({ _id: 1 }, { $set: { n: 1 } })
    await db.command({ collMod: 'users', ...IMAGES })
    await users.updateOne({ _id: 1 }, { $set: { n: 2 } })
    const others = await db.createCollection<User>('others', IMAGES)
    await others.insertOne({ _id: 1 })
    await others.updateOne({ _id: 1 }, { $set: { n: 3 } })
    await db.collection<User>('plain').insertOne({ _id: 1 })
    await db.collection<User>('plain').deleteOne({ _id: 1 })
    await recorder.until(() => recorder.changesSeen.length >= 8)
    expect(recorder.changesSeen.map((change) => 'before' in change && change.before)).to.deep.equal(
      [undefined, undefined, undefined, { _id: 1, n: 1 }, undefined, { _id: 1 }, undefined, undefined].map(
        (before) => before ?? false,
      ),
    )
    expect(streams.map(({ fullDocumentBeforeChange }) => fullDocumentBeforeChange)).to.deep.equal([
      undefined,
      'whenAvailable',
    ])
    expect(recorder.errors).to.deep.equal([])
  })

  it('tells an event of more than 16 MB', async () => {
    const users = await db.createCollection<User>('users', IMAGES)
    const [old, now] = ['o', 'n'].map((letter) => letter.repeat(9 * 1024 * 1024))
    await users.insertOne({ _id: 1, text: old })
    const { recorder } = await follow()
    await users.updateOne({ _id: 1 }, { $set: { text: now } })
    await users.insertOne({ _id: 2 })
    await recorder.until(() => recorder.changesSeen.length >= 2, 30_000)
    const [change, next] = recorder.changesSeen as DocumentChange[]
    expect(change?.operations[0]?.data === now, 'the new text').to.equal(true)
    expect(change?.before?.text === old, 'the document before').to.equal(true)
    expect(change?.document?.text === now, 'the document after').to.equal(true)
    expect(next?.id).to.equal(2)
    expect([recorder.losses, recorder.errors]).to.deep.equal([[], []])
  }).timeout(40_000)
})
