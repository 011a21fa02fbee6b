import { MongoClient } from 'mongodb'
import { mongo } from '../../../lib/source/mongo/index.ts'
import { sourceContract, type Writer } from '../../contract/source.contract.ts'
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
