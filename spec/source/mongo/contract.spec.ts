import { MongoClient } from 'mongodb'
import { mongo } from '../../../lib/source/mongo/index.ts'
import { sourceContract, type Writer } from '../../contract/source.contract.ts'
import { mongoOrSkip } from '../../support/mongod.ts'
import { freshDatabase } from './fold.ts'

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
})
