import { expect } from 'chai'
import { type Db, MongoClient } from 'mongodb'
import { Server } from '../../../lib/index.ts'
import { mongo } from '../../../lib/source/mongo/index.ts'
import { LocalClient, until } from '../../support/local.ts'
import { mongoOrSkip } from '../../support/mongod.ts'
import { freshDatabase } from './fold.ts'

type Item = { _id: number; [field: string]: unknown }

describe('source/mongo on documents whose fields users name', () => {
  let client: MongoClient
  let db: Db
  let server: Server | undefined
  let errors: unknown[]

  before(async function () {
    client = new MongoClient((await mongoOrSkip(this)).url)
  })

  after(() => client?.close())

  beforeEach(() => {
    db = freshDatabase(client)
    errors = []
  })

  afterEach(async () => {
    await server?.disconnect()
    await db.dropDatabase()
  })

  function serve(): Server {
    server = new Server({
      dataSources: { items: { manifest: true, collection: mongo(db).collection('items') } },
      onError: (error) => errors.push(error),
    })
    return server
  }

  for (const name of ['Long', 'ObjectId', 'Binary', 'Timestamp', 'Code', 'MinKey', 'Anything']) {
    it(`goes on when a document has the plain field _bsontype: '${name}', served or not`, async () => {
      // The driver refuses to write an object with that field, but neither a path to one nor a Map.
      const settings = { _bsontype: name, colour: 'red' }
      const items = db.collection<Item>('items')
      const others = db.collection<Item>('others')
      await items.insertOne({ _id: 1, settings: new Map(Object.entries(settings)) })
      const on = serve()
      const early = await LocalClient.connect(on)
      await until(() => early.ready)
      for (const collection of [others, items]) {
        await collection.insertOne({ _id: 2, list: [new Map(Object.entries(settings))] })
        await collection.insertOne({ _id: 3, settings: { colour: 'red' } })
        await collection.updateOne({ _id: 3 }, { $set: { 'settings._bsontype': name } })
        await collection.updateOne({ _id: 3 }, { $set: { plain: new Map(Object.entries(settings)) } })
      }
      await items.insertOne({ _id: 4 })
      await until(() => early.model.items?.length === 4)
      const other = new Server({
        dataSources: { items: { manifest: true, collection: mongo(db).collection('items') } },
        onError: (error) => errors.push(error),
      })
      const late = await LocalClient.connect(other)
      await until(() => late.ready)
      for (const { model } of [early, late]) {
        expect(model.items).to.have.deep.members([
          { _id: 1, settings },
          { _id: 2, list: [settings] },
          { _id: 3, settings, plain: settings },
          { _id: 4 },
        ])
      }
      await other.disconnect()
      expect(errors).to.deep.equal([])
    })
  }
})
