import { expect } from 'chai'
import type { Db } from 'mongodb'
import { checkFollowable } from '../../../lib/source/mongo/followable.ts'
import { mongo } from '../../../lib/source/mongo/index.ts'
import { until } from '../../support/local.ts'
import { eachDatabase, type TestDatabase } from './database.ts'

type User = { _id: number; n: number }

describe('source/mongo on what has no changes to tell', () => {
  let database: TestDatabase
  let db: Db
  let errors: readonly string[]

  eachDatabase((fresh) => {
    database = fresh
    db = fresh.db
    errors = fresh.errors
  })

  const connect = (...roots: string[]) => database.serve(roots)

  for (const [what, name, create, sentence] of [
    [
      'a view',
      'adults',
      () => db.createCollection('adults', { viewOn: 'users', pipeline: [] }),
      "adults is a view, whose changes MongoDB does not report. Show the view's collection (users)",
    ],
    [
      'a time-series collection',
      'weather',
      () => db.createCollection('weather', { timeseries: { timeField: 'at' } }),
      'weather is a time-series collection, whose changes MongoDB does not report. Show an ordinary collection',
    ],
    [
      'a system collection',
      'system.js',
      async () => {},
      'system.js is a system collection, of which MongoDB reports no changes. Show a collection of your own',
    ],
  ] as [string, string, () => Promise<unknown>, string][]) {
    it(`refuses ${what}: its root gets an error, and the others go on`, async () => {
      const users = db.collection<User>('users')
      await users.insertOne({ _id: 1, n: 1 })
      await create()
      // The first root is the one that the source is asked by where it is.
      const local = await connect(name, 'users')
      await until(() => local.of('error').length > 0 && local.model.users?.length === 1)
      const [{ data } = { data: {} }] = local.of('error')
      expect(data).to.include({ root: name.replace('.', '-'), code: 'SOURCE_FAILED' })
      expect(data.message).to.include("can't show").and.include('onError')
      expect(local.model[name.replace('.', '-')]).to.equal(undefined)
      expect(errors.join()).to.include(sentence)
      await users.updateOne({ _id: 1 }, { $set: { n: 2 } })
      await until(() => local.model.users?.[0]?.n === 2, 'the other root goes on')
    })
  }

  it('shows a root whose view has become a collection, and refuses one that has become a view', async () => {
    await db.createCollection('adults', { viewOn: 'users', pipeline: [] })
    await db.collection<User>('late').insertOne({ _id: 1, n: 1 })
    const local = await connect('adults', 'late')
    await until(() => local.of('error').length > 0 && local.model.late?.length === 1)
    await db.collection('adults').drop()
    await db.collection<User>('adults').insertOne({ _id: 5, n: 5 })
    await until(() => local.model.adults?.length === 1, 'the collection is shown')
    const before = local.of('error').length
    await db.collection('late').drop()
    await db.createCollection('late', { viewOn: 'adults', pipeline: [] })
    await until(() => local.of('error').length > before, 'the view is refused')
    expect(errors.at(-1)).to.include('late is a view')
  })

  it('shows a capped collection, where the server reports what it drops', async () => {
    const log = await db.createCollection<User>('log', { capped: true, size: 4096, max: 3 })
    await log.insertOne({ _id: 1, n: 1 })
    const local = await connect('log')
    await until(() => local.model.log?.length === 1)
    for (const _id of [2, 3, 4, 5]) await log.insertOne({ _id, n: _id })
    const ids = (await log.find().toArray()).map(({ _id }) => _id)
    expect(ids).to.deep.equal([3, 4, 5])
    await until(
      () => local.model.log?.map(({ _id }) => _id).join() === ids.join(),
      'what was dropped is gone',
    )
    expect(errors).to.deep.equal([])
  })

  it('refuses a capped collection of a server that drops documents in silence', async () => {
    await db.createCollection('log', { capped: true, size: 4096 })
    const old = {
      listCollections: db.listCollections.bind(db),
      command: async () => ({ maxWireVersion: 9 }),
    } as unknown as Db
    const error: unknown = await checkFollowable(old, 'log').catch((reason: unknown) => reason)
    expect(error).to.include({ code: 'INVALID_OPTION' })
    expect(String(error)).to.include('before 5.0').and.include('TTL index')
  })

  it('refuses the databases that have no change streams', () => {
    for (const name of ['admin', 'config', 'local'])
      expect(() => mongo(database.client.db(name))).to.throw(`no change streams of the database ${name}`)
  })

  it('takes a collection that is not there yet', async () => {
    const local = await connect('users')
    await until(() => local.ready)
    await db.collection<User>('users').insertOne({ _id: 1, n: 1 })
    await until(() => local.model.users?.length === 1)
    expect(errors).to.deep.equal([])
  })
})
