import { expect } from 'chai'
import { type Db, MongoClient } from 'mongodb'
import { mongo } from '../../../lib/source/mongo/index.ts'
import type { Subscription } from '../../../lib/source/source.ts'
import { mongoOrSkip } from '../../support/mongod.ts'
import { eachDatabase } from './database.ts'
import { Copy, Recorder, readAll } from './fold.ts'

type User = { _id: number; n?: number }

describe('source/mongo on collections that come and go', () => {
  let db: Db
  let open: Subscription[]

  eachDatabase((fresh) => {
    db = fresh.db
    open = fresh.open
  })

  async function follow(...names: string[]) {
    const adapter = mongo(db)
    for (const name of names) adapter.collection(name)
    const recorder = new Recorder()
    open.push(await adapter.open(recorder))
    return { adapter, recorder }
  }

  /** The changes in a word each, once the collection's documents have all been told. */
  async function told({ adapter, recorder }: Awaited<ReturnType<typeof follow>>, ...names: string[]) {
    const copy = new Copy()
    for (const name of names) {
      const { documents, to } = await readAll(adapter, name)
      await recorder.reached(adapter, to)
      copy.collections.clear()
      copy.apply(recorder.changesSeen)
      expect(copy.sorted(name), name).to.deep.equal(documents)
    }
    expect([recorder.errors, recorder.losses]).to.deep.equal([[], []])
    return recorder.changesSeen.map((change) =>
      'id' in change
        ? `${change.kind} ${change.collection} ${change.id}`
        : `${change.kind} ${change.collection}`,
    )
  }

  const users = () => db.collection<User>('users')

  it('clears one that was dropped, and tells what is written to it from then on', async () => {
    const following = await follow('users')
    for (let round = 1; round <= 3; round += 1) {
      await users().insertMany([{ _id: 1 }, { _id: round + 1 }])
      await users().updateOne({ _id: 1 }, { $set: { n: round } })
      if (round < 3) await users().drop()
    }
    expect(await told(following, 'users')).to.deep.equal([
      ...['insert users 1', 'insert users 2', 'update users 1', 'clear users'],
      ...['insert users 1', 'insert users 3', 'update users 1', 'clear users'],
      ...['insert users 1', 'insert users 4', 'update users 1'],
    ])
  })

  it('clears the old name and reloads the new one of a rename, also onto one that there was, at once', async () => {
    const following = await follow('users', 'people')
    await db.collection<User>('people').insertOne({ _id: 9 })
    await users().insertOne({ _id: 1 })
    await users().rename('people', { dropTarget: true })
    await db.collection<User>('people').insertOne({ _id: 2 })
    await users().insertOne({ _id: 3 })
    const words = await told(following, 'users')
    // Some servers tell first that the one of that name was dropped.
    expect(words.filter((word) => word !== 'clear people')).to.deep.equal([
      ...['insert people 9', 'insert users 1', 'clear users', 'reload people'],
      ...['insert people 2', 'insert users 3'],
    ])
    const whole = following.recorder.changesSeen.filter((change) => !('id' in change)).slice(-2)
    expect(whole[0]?.transaction).to.be.a('string').and.equal(whole[1]?.transaction)
  })

  it('clears all of a database that was dropped, at the same positions whoever asked for which collection first', async () => {
    const following = await follow('users', 'teams')
    await db.collection<User>('teams').insertOne({ _id: 1 })
    await users().insertOne({ _id: 1 })
    await db.dropDatabase()
    await users().insertOne({ _id: 2 })
    await db.collection<User>('teams').insertOne({ _id: 2 })
    const words = await told(following, 'users', 'teams')
    expect(words.slice(0, 2)).to.deep.equal(['insert teams 1', 'insert users 1'])
    expect(words.slice(-2)).to.deep.equal(['insert users 2', 'insert teams 2'])
    expect(new Set(words.slice(2, -2))).to.deep.equal(new Set(['clear users', 'clear teams']))

    const other = new MongoClient((await mongoOrSkip({ timeout() {} } as never)).url)
    const second = mongo(other.db(db.databaseName))
    for (const name of ['teams', 'users']) second.collection(name)
    const again = new Recorder()
    const subscription = await second.open(again, following.recorder.changesSeen[0]?.position)
    await again.reached(second, following.recorder.changesSeen.at(-1)?.position ?? '')
    expect(again.changesSeen).to.deep.equal(following.recorder.changesSeen.slice(1))
    await subscription.close()
    await other.close()
  })

  it('goes on after its database was dropped twice', async () => {
    const following = await follow('users')
    for (let round = 1; round <= 3; round += 1) {
      await users().insertOne({ _id: round })
      if (round < 3) await db.dropDatabase()
    }
    const words = await told(following, 'users')
    expect(words.filter((word) => word.startsWith('insert'))).to.deep.equal([
      'insert users 1',
      'insert users 2',
      'insert users 3',
    ])
    expect(words.lastIndexOf('clear users')).to.equal(words.length - 2)
  })
})
