import { expect } from 'chai'
import { type Db, MongoClient, type UpdateFilter } from 'mongodb'
import { mongo } from '../../../lib/source/mongo/index.ts'
import { mongoOrSkip } from '../../support/mongod.ts'
import { Copy, freshDatabase, Recorder, readAll } from './fold.ts'

type User = { _id: number; [field: string]: unknown }

/** A generator of numbers in [0, 1) that gives the same ones for the same seed. */
function randomizer(seed: number) {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

describe('source/mongo under random writes', () => {
  let client: MongoClient
  let db: Db

  before(async function () {
    client = new MongoClient((await mongoOrSkip(this)).url)
    db = freshDatabase(client)
  })

  after(async () => {
    await db?.dropDatabase()
    await client?.close()
  })

  for (const seed of [1, 2, 3]) {
    it(`tells what makes a copy equal the collection (seed ${seed})`, async () => {
      const random = randomizer(seed)
      const pick = <T>(...items: T[]): T => items[Math.floor(random() * items.length)] as T
      const number = () => Math.floor(random() * 10)
      const value = (): unknown =>
        pick<() => unknown>(
          number,
          () => 'text',
          () => null,
          () => new Date(number()),
          () => [number(), { x: number() }],
          () => ({ 0: number(), y: [number()] }),
        )()
      const users = db.collection<User>(`users${seed}`)
      const id = () => Math.floor(random() * 12)
      const update = (): unknown =>
        pick<() => unknown>(
          () => ({ $set: { [pick('a', 'map.0.x', 'map.y', 'deep.er.est', 'map')]: value() } }),
          () => ({ $unset: { [pick('a', 'map.0', 'deep.er', 'list.1', 'map', 'list')]: '' } }),
          () => ({ $push: { list: { $each: [number(), { x: number() }], $position: number() } } }),
          () => ({ $push: { list: { $each: [number()], $slice: -4 } } }),
          () => ({ $pull: { list: { $lt: number() } } }),
          () => ({ $pop: { list: pick(1, -1) } }),
          () => ({ $addToSet: { list: number() } }),
          () => ({ $set: { 'list.0': value(), [`list.${number()}`]: number() } }),
          () => ({ $set: { list: [[number(), 2], { x: [number(), 1] }] } }),
          () => ({ $inc: { n: number(), 'stats.count': 1 }, $rename: { a: 'b' } }),
        )()
      const write = async () => {
        const kind = random()
        if (kind < 0.75) {
          await users.updateOne({ _id: id() }, update() as UpdateFilter<User>, { upsert: random() < 0.5 })
        } else if (kind < 0.85) {
          await users.replaceOne({ _id: id() }, { list: [1, 2, 3], a: value() }, { upsert: true })
        } else if (kind < 0.93) await users.deleteOne({ _id: id() })
        else await users.updateMany({ n: { $gt: number() } }, { $inc: { n: -1 } } as object)
      }
      const adapter = mongo(db)
      const recorder = new Recorder()
      const subscription = await adapter.open(recorder)
      let middle: { copy: Copy; from: string } | undefined
      for (let i = 0; i < 150; i += 1) {
        if (i % 50 === 25) {
          await client.withSession(async (session) => {
            session.startTransaction()
            for (let j = 0; j < 4; j += 1)
              await users.updateOne({ _id: id() }, { $set: { n: number(), a: value() } }, { session })
            await session.commitTransaction()
          })
        }
        if (i === 75) {
          const { documents, from } = await readAll(adapter, users.collectionName)
          middle = { copy: new Copy(), from }
          middle.copy.fill(users.collectionName, documents)
        }
        // Some updates don't fit the document; that is an error of the write, and no change.
        await write().catch((error: { code?: number }) => expect(error.code, String(error)).to.be.a('number'))
      }
      const { documents, to } = await readAll(adapter, users.collectionName)
      await recorder.reached(adapter, to)
      await subscription.close()
      const copy = new Copy()
      copy.apply(recorder.changesSeen)
      expect(copy.sorted(users.collectionName)).to.deep.equal(documents)
      middle?.copy.apply(
        recorder.changesSeen.filter(({ position }) => adapter.compare(position, middle?.from ?? '') > 0),
      )
      expect(middle?.copy.sorted(users.collectionName)).to.deep.equal(documents)
      expect(recorder.changesSeen.length).to.be.greaterThan(50)
    })
  }
})
