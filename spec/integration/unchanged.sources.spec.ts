import { expect } from 'chai'
import { MongoClient } from 'mongodb'
import { type DataSource, Server } from '../../lib/index.ts'
import { mongo } from '../../lib/source/mongo/index.ts'
import type { CollectionHandle } from '../../lib/source/source.ts'
import { TestDatabase as MariadbDatabase } from '../source/mariadb/database.ts'
import { freshDatabase, imagesOrSkip } from '../source/mongo/fold.ts'
import { MODES, TestDatabase } from '../source/postgres/database.ts'
import { connect, freshAdapter, freshPrefix, removeAll } from '../source/redis/harness.ts'
import { LocalClient, until } from '../support/local.ts'
import { mariadbOrSkip } from '../support/mariadb.ts'
import { mongoOrSkip } from '../support/mongod.ts'
import { postgresOrSkip } from '../support/postgres.ts'
import { redisOrSkip } from '../support/redis.ts'

/** The table of docs/guides/security.md, on the databases themselves. */
describe('A write of hidden fields alone', () => {
  let server: Server | undefined
  afterEach(() => server?.disconnect())

  /** The ids that a client hears of; the last write is that of a document of the name `mark`. */
  const heard = async (collection: CollectionHandle, write: () => Promise<unknown>) => {
    const manifest = { name: true, address: { city: true }, tags: { label: true } }
    server = new Server({ dataSources: { people: { manifest, collection } as DataSource } })
    const client = await LocalClient.connect(server)
    await until(() => client.ready, 'ready', 20_000)
    await write()
    await until(() => JSON.stringify(client.model).includes('mark'), 'the mark', 20_000)
    return client.of('delta').flatMap(({ data }) => data.oplist.map(({ id }: { id: unknown }) => id))
  }

  describe('of PostgreSQL', () => {
    let database: TestDatabase
    before(async function () {
      database = await TestDatabase.create(await postgresOrSkip(this))
    })
    after(() => database?.close())

    for (const mode of MODES) {
      for (const identity of ['DEFAULT', 'FULL']) {
        it(`sends nothing by ${mode}, the replica identity being ${identity}`, async () => {
          const table = `people_${mode}_${identity.toLowerCase()}`
          await database.run(
            `CREATE TABLE ${table} (id integer PRIMARY KEY, name text, address jsonb, secret text)`,
            `ALTER TABLE ${table} REPLICA IDENTITY ${identity}`,
            `INSERT INTO ${table} VALUES (1, 'Ann', '{"city":"Bonn","zip":"1"}', 's')`,
          )
          const adapter = await database.adapter(mode, [table])
          const ids = await heard(adapter.collection(table), () =>
            database.run(
              `UPDATE ${table} SET secret = 't'`,
              `UPDATE ${table} SET address = '{"city":"Bonn","zip":"2"}'`,
              `UPDATE ${table} SET name = 'Ann'`,
              `INSERT INTO ${table} VALUES (2, 'mark', NULL, '')`,
            ),
          )
          expect(ids).to.deep.equal([2])
        })
      }
    }
  })

  describe('of MariaDB', () => {
    let database: MariadbDatabase
    before(async function () {
      database = await MariadbDatabase.create(await mariadbOrSkip(this))
    })
    after(() => database?.close())

    it('sends nothing', async () => {
      await database.run(
        'CREATE TABLE people (id integer PRIMARY KEY, name text, address json, secret text)',
        `INSERT INTO people VALUES (1, 'Ann', '{"city":"Bonn","zip":"1"}', 's')`,
      )
      const ids = await heard(database.adapter(['people']).collection('people'), () =>
        database.run(
          "UPDATE people SET secret = 't'",
          `UPDATE people SET address = '{"city":"Bonn","zip":"2"}'`,
          // The same value in another text: MariaDB keeps the text of a JSON column as it was written.
          `UPDATE people SET address = '{ "zip": "2", "city": "Bonn" }'`,
          "UPDATE people SET name = 'Ann'",
          "INSERT INTO people VALUES (2, 'mark', NULL, '')",
        ),
      )
      expect(ids).to.deep.equal([2])
    })
  })

  describe('of Redis', () => {
    let client: Awaited<ReturnType<typeof connect>>
    const prefix = freshPrefix()
    before(async function () {
      client = await connect((await redisOrSkip(this)).url)
      await client.configSet('notify-keyspace-events', 'KA')
    })
    after(async () => {
      if (client) await removeAll(client, prefix)
      client?.destroy()
    })

    for (const stream of [true, false]) {
      it(`sends nothing by ${stream ? 'a stream' : 'notifications'}`, async () => {
        const adapter = freshAdapter(client, { prefix: `${prefix}${stream}:` }, stream)
        const people = adapter.collection('people', { id: 'number' })
        await people.set(1, { name: 'Ann', secret: 's' })
        const ids = await heard(people, async () => {
          await people.set(1, { name: 'Ann', secret: 't' })
          await people.update(1, [{ operation: 'set', path: 'secret', data: 'u' }])
          // The order of a long hash's fields is another one.
          const many = Object.fromEntries(Array.from({ length: 600 }, (_, at) => [`hidden${at}`, 'x']))
          await people.set(1, { ...many, name: 'Ann', secret: 'v' })
          await people.set(2, { name: 'mark' })
        })
        expect(ids).to.deep.equal([2])
      })
    }
  })

  describe('of MongoDB', () => {
    let client: MongoClient
    before(async function () {
      client = new MongoClient((await mongoOrSkip(this)).url)
    })
    after(() => client?.close())

    const person = (secret: string, zip = '1') => ({
      name: 'Ann',
      address: { city: 'Bonn', zip },
      tags: ['hidden'],
      secret,
    })
    for (const enabled of [true, false]) {
      it(`sends nothing ${enabled ? 'with' : 'of whole documents without'} pre-images`, async function () {
        if (enabled) await imagesOrSkip(this, client)
        const db = freshDatabase(client)
        const options = enabled ? { changeStreamPreAndPostImages: { enabled } } : {}
        const people = await db.createCollection<{ _id: number }>('people', options)
        await people.insertOne({ _id: 1, ...person('s') } as { _id: number })
        const ids = await heard(mongo(db).collection('people'), async () => {
          await people.updateOne({ _id: 1 }, { $set: { secret: 't' } } as object)
          await people.replaceOne({ _id: 1 }, person('u', '2') as object)
          if (enabled) {
            await people.updateOne({ _id: 1 }, { $set: { address: { city: 'Bonn', zip: '3' } } } as object)
            await people.updateOne({ _id: 1 }, { $set: { 'tags.0': 'other' } } as object)
          }
          await people.insertOne({ _id: 2, name: 'mark' } as { _id: number })
        })
        expect(ids).to.deep.equal([2])
        await server?.disconnect()
        await db.dropDatabase()
      })
    }
  })
})
