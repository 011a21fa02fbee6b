import { expect } from 'chai'
import { MongoClient } from 'mongodb'
import type { DataSource } from '../../lib/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { mongo } from '../../lib/source/mongo/index.ts'
import type { CollectionHandle } from '../../lib/source/source.ts'
import { TestDatabase as MariadbDatabase } from '../source/mariadb/database.ts'
import { freshDatabase } from '../source/mongo/fold.ts'
import { MODES, TestDatabase } from '../source/postgres/database.ts'
import { connect, freshAdapter, freshPrefix, removeAll } from '../source/redis/harness.ts'
import { BANK, BANK_NAMES, type Bank, type BankName, tally } from '../support/bank.ts'
import { mariadbOrSkip } from '../support/mariadb.ts'
import { mongoOrSkip } from '../support/mongod.ts'
import { postgresOrSkip } from '../support/postgres.ts'
import { redisOrSkip } from '../support/redis.ts'

/** `MOVES=10000` makes that many moves on each source. */
const MOVES = Number(process.env.MOVES ?? 200)

const sourcesOf = (adapter: { collection(name: BankName): CollectionHandle }): Record<string, DataSource> =>
  Object.fromEntries(
    BANK_NAMES.map((name) => [
      name,
      { manifest: { n: true }, collection: adapter.collection(name) } as DataSource,
    ]),
  )

/** Over http, with two nodes of which one is killed again and again, and clients that move from the one to the other. */
describe('Money that moves between two roots in transactions', function () {
  this.timeout(60_000 + MOVES * 30)

  const expectWhole = async (bank: Bank) => {
    const { shown, torn, returns } = await tally(bank, MOVES)
    console.log(`      ${shown} states shown, ${torn.length} torn, ${returns} returns`)
    expect(torn).to.deep.equal([])
    expect(shown).to.be.at.least(MOVES / 2)
    expect(returns).to.be.greaterThan(0)
  }

  it('is never shown torn, of memory()', async () => {
    const store = memory()
    for (const name of BANK_NAMES) await store.collection(name).insertOne({ ...BANK[name] })
    const add = (name: BankName, n: number) => store.collection(name).updateOne({ _id: 1 }, { $inc: { n } })
    await expectWhole({
      dataSources: () => sourcesOf(store),
      move: () => Promise.all(store.transact(() => [add('account', -1), add('savings', 1), add('moves', 1)])),
    })
  })

  describe('of MongoDB', () => {
    let client: MongoClient
    before(async function () {
      client = new MongoClient((await mongoOrSkip(this)).url)
    })
    after(() => client?.close())

    it('is never shown torn', async () => {
      const db = freshDatabase(client)
      for (const name of BANK_NAMES) await db.collection<{ _id: number }>(name).insertOne({ ...BANK[name] })
      await expectWhole({
        dataSources: () => sourcesOf(mongo(db)),
        move: () =>
          client.withSession((session) =>
            session.withTransaction(async () => {
              const add = (name: BankName, n: number) =>
                db
                  .collection<{ _id: number }>(name)
                  .updateOne({ _id: 1 }, { $inc: { n } } as object, { session })
              await add('account', -1)
              await add('savings', 1)
              await add('moves', 1)
            }),
          ),
      })
    })
  })

  describe('of Redis', () => {
    let client: Awaited<ReturnType<typeof connect>>
    const prefix = freshPrefix()
    before(async function () {
      client = await connect((await redisOrSkip(this)).url)
    })
    after(async () => {
      if (client) await removeAll(client, prefix)
      client?.destroy()
    })

    it('is never shown torn, by a MULTI', async () => {
      const open = () => {
        const adapter = freshAdapter(client, { prefix })
        const options = { id: 'number', fields: { n: 'number' } } as const
        const collections = BANK_NAMES.map((name) => [name, adapter.collection(name, options)] as const)
        return { adapter, collections }
      }
      const { collections } = open()
      for (const [name, collection] of collections) await collection.set(1, { n: BANK[name].n })
      await expectWhole({
        dataSources: () => sourcesOf(open().adapter),
        move: async () => {
          const multi = client.multi()
          for (const [name, collection] of collections) {
            multi.hIncrBy(`${prefix}${name}:1`, 'n', name === 'account' ? -1 : 1)
            collection.touch(multi, 1)
          }
          await multi.exec()
        },
      })
    })
  })

  describe('of PostgreSQL', () => {
    let database: TestDatabase
    before(async function () {
      database = await TestDatabase.create(await postgresOrSkip(this))
    })
    after(() => database?.close())

    for (const mode of MODES) {
      it(`is never shown torn, by ${mode}`, async () => {
        await database.run(
          ...BANK_NAMES.flatMap((name) => [
            `DROP TABLE IF EXISTS ${name}`,
            `CREATE TABLE ${name} (id integer PRIMARY KEY, n integer)`,
            `INSERT INTO ${name} VALUES (1, ${BANK[name].n})`,
          ]),
        )
        await expectWhole({
          dataSources: async () => sourcesOf(await database.adapter(mode, BANK_NAMES)),
          move: () =>
            database.transaction(
              ...BANK_NAMES.map((name) => `UPDATE ${name} SET n = n ${name === 'account' ? '-' : '+'} 1`),
            ),
        })
      })
    }
  })

  describe('of MariaDB', () => {
    let database: MariadbDatabase
    before(async function () {
      database = await MariadbDatabase.create(await mariadbOrSkip(this))
    })
    after(() => database?.close())

    it('is never shown torn', async () => {
      await database.run(
        ...BANK_NAMES.flatMap((name) => [
          `CREATE TABLE ${name} (id integer PRIMARY KEY, n integer)`,
          `INSERT INTO ${name} VALUES (1, ${BANK[name].n})`,
        ]),
      )
      await expectWhole({
        dataSources: () => sourcesOf(database.adapter(BANK_NAMES)),
        move: () =>
          database.transaction(
            ...BANK_NAMES.map((name) => `UPDATE ${name} SET n = n ${name === 'account' ? '-' : '+'} 1`),
          ),
      })
    })
  })
})
