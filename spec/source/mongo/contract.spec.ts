import { type Db, MongoClient } from 'mongodb'
import { type MongoAdapter, mongo } from '../../../lib/source/mongo/index.ts'
import { sourceContract, type Writer } from '../../contract/source.contract.ts'
import { following, socketFolder } from '../../support/host.ts'
import { mongoOrSkip } from '../../support/mongod.ts'
import { freshDatabase, imagesOrSkip } from './fold.ts'

describe('source/mongo holds the contract', () => {
  let client: MongoClient

  before(async function () {
    client = new MongoClient((await mongoOrSkip(this)).url)
  })

  after(() => client?.close())

  sourceContract('mongo', async () => {
    const db = freshDatabase(client)
    return {
      adapter: mongo(db),
      collection: (name) => db.collection(name) as unknown as Writer,
      exact: false,
      close: async () => void (await db.dropDatabase()),
    }
  })

  for (const images of [false, true])
    describe(`(once per host${images ? ', with pre-images' : ''})`, () => {
      const other = { client: undefined as MongoClient | undefined }

      before(async function () {
        if (images) await imagesOrSkip(this, client)
        other.client = new MongoClient((await mongoOrSkip(this)).url)
      })

      after(() => other.client?.close())

      sourceContract('mongo', async () => {
        const db = freshDatabase(client)
        if (images)
          for (const name of ['contract_users', 'contract_teams'])
            await db.createCollection(name, { changeStreamPreAndPostImages: { enabled: true } })
        const { folder, remove } = await socketFolder()
        const far = other.client?.db(db.databaseName) ?? db
        const streams = [watched(db), watched(far)]
        const adapters = [far, db].map((one) => mongo(one, { oncePerHost: folder }))
        for (const adapter of adapters)
          for (const name of ['contract_users', 'contract_teams']) adapter.collection(name)
        const [leader, adapter] = adapters as [MongoAdapter, MongoAdapter]
        const shared = await following(leader, adapter, () =>
          streams.reduce((sum, count) => sum + count(), 0),
        )
        return {
          adapter: shared.adapter,
          collection: (name) => db.collection(name) as unknown as Writer,
          exact: images,
          compares: images,
          close: async () => {
            await shared.close()
            await remove()
            await db.dropDatabase()
          },
        }
      })
    })

  describe('(with pre-images)', () => {
    before(async function () {
      await imagesOrSkip(this, client)
    })

    sourceContract('mongo', async () => {
      const db = freshDatabase(client)
      for (const name of ['contract_users', 'contract_teams']) {
        await db.createCollection(name, { changeStreamPreAndPostImages: { enabled: true } })
      }
      return {
        adapter: mongo(db),
        collection: (name) => db.collection(name) as unknown as Writer,
        exact: true,
        compares: true,
        close: async () => void (await db.dropDatabase()),
      }
    })
  })
})

/** Counts the open change streams of a database. */
function watched(db: Db): () => number {
  const open = new Set<object>()
  const watch = db.watch.bind(db)
  db.watch = ((...given: Parameters<typeof watch>) => {
    const stream = watch(...given)
    open.add(stream)
    stream.once('close', () => open.delete(stream))
    return stream
  }) as typeof watch
  return () => open.size
}
