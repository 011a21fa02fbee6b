import { expect } from 'chai'
import type { Db } from 'mongodb'
import { until } from '../../support/local.ts'
import { eachDatabase, type TestDatabase } from './database.ts'

type Item = { _id: number; [field: string]: unknown }

describe('source/mongo on documents whose fields users name', () => {
  let database: TestDatabase
  let db: Db

  eachDatabase((fresh) => {
    database = fresh
    db = fresh.db
  })

  for (const name of ['Long', 'ObjectId', 'Binary', 'Timestamp', 'Code', 'MinKey', 'Anything']) {
    it(`goes on when a document has the plain field _bsontype: '${name}', served or not`, async () => {
      // The driver refuses to write an object with that field, but neither a path to one nor a Map.
      const settings = { _bsontype: name, colour: 'red' }
      const items = db.collection<Item>('items')
      const others = db.collection<Item>('others')
      await items.insertOne({ _id: 1, settings: new Map(Object.entries(settings)) })
      const early = await database.serve(['items'])
      await until(() => early.ready)
      for (const collection of [others, items]) {
        await collection.insertOne({ _id: 2, list: [new Map(Object.entries(settings))] })
        await collection.insertOne({ _id: 3, settings: { colour: 'red' } })
        await collection.updateOne({ _id: 3 }, { $set: { 'settings._bsontype': name } })
        await collection.updateOne({ _id: 3 }, { $set: { plain: new Map(Object.entries(settings)) } })
      }
      await items.insertOne({ _id: 4 })
      await until(() => early.model.items?.length === 4)
      const late = await database.serve(['items'])
      await until(() => late.ready)
      for (const { model } of [early, late]) {
        expect(model.items).to.have.deep.members([
          { _id: 1, settings },
          { _id: 2, list: [settings] },
          { _id: 3, settings, plain: settings },
          { _id: 4 },
        ])
      }
      expect(database.errors).to.deep.equal([])
    })
  }

  /** The database as an older server has it: its events don't tell names with dots from paths. */
  function older(): Db {
    const command = async (asked: { hello?: 1 }, ...options: []) => {
      const reply = await db.command(asked, ...options)
      return 'hello' in asked ? { ...reply, maxWireVersion: 13 } : reply
    }
    return Object.create(db, { command: { value: command } })
  }

  it('shows dots, numbers, dollars and nothing in names, where the server does not tell them from paths', async () => {
    const items = db.collection<Item>('items')
    await items.insertMany([
      { _id: 1, a: { 0: 'x', b: 1 }, list: [1, { n: 1 }] },
      { _id: 2, 'a.b': 1, a: { b: 1 } },
      { _id: 3, $price: 1, '': 1, a: { '': 1, $ref: 1 } },
    ])
    const client = await database.serve(['items'], older())
    await until(() => client.ready)
    const named = (field: string, value: unknown) => [
      { $replaceWith: { $setField: { field: { $literal: field }, input: '$$ROOT', value } } },
    ]
    await items.updateOne({ _id: 1 }, { $set: { 'a.0': 'y', 'a.b': 2, 'list.1.n': 2 } } as object)
    await items.updateOne({ _id: 1 }, { $unset: { 'a.b': '' }, $set: { 'list.0': 5 } } as object)
    await items.updateOne({ _id: 2 }, named('a.b', 2))
    await items.updateOne({ _id: 2 }, named('c.0', 2))
    await items.updateOne({ _id: 2 }, { $set: { 'a.b': 3 } })
    await items.updateOne({ _id: 3 }, named('$price', 2))
    await items.updateOne({ _id: 3 }, named('', 2))
    await items.updateOne({ _id: 3 }, [
      { $set: { a: { $setField: { field: '', input: '$a', value: 2 } } } },
      { $set: { a: { $setField: { field: { $literal: '$ref' }, input: '$a', value: 2 } } } },
    ])
    await items.insertOne({ _id: 4 })
    await until(() => client.model.items?.length === 4)
    expect(client.model.items).to.have.deep.members(await items.find().toArray())
    expect(database.errors).to.deep.equal([])
  })
})
