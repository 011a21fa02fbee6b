import { MongoClient } from 'mongodb'
import { inMongo } from '../../law/mongo.ts'
import { itHolds } from '../../law/trial.ts'
import { socketFolder } from '../../support/host.ts'
import { type MongoServer, mongoOrSkip, startMongo } from '../../support/mongod.ts'
import { imagesOrSkip } from './fold.ts'

const MEASURE = {
  runs: 8,
  seed: 1,
  limit: 240_000,
  happened: [
    'states shown',
    'quiet points',
    'resumed here',
    'resumed elsewhere',
    // Where a node holds changes up. That the server has none any more is its answer 286, which 'streams lost' count.
    'histories lost',
    'streams lost',
    'streams broken off',
    'reset: slow-client',
    'reset: rights-changed',
  ],
}

describe('The law of Particle over MongoDB', () => {
  let server: MongoServer

  before(async function () {
    server = await mongoOrSkip(this, () => startMongo({ history: 1000 }))
  })

  after(() => server?.stop())

  itHolds(
    "holds whatever happens, also to each node's change streams in the middle of what has come",
    () => inMongo(server.url, false),
    MEASURE,
  )

  describe('(once per host)', () => {
    let sockets: Awaited<ReturnType<typeof socketFolder>>

    before(async () => {
      sockets = await socketFolder()
    })

    after(() => sockets.remove())

    itHolds('holds whatever happens', () => inMongo(server.url, false, sockets.folder), MEASURE)
  })

  describe('(with pre-images)', () => {
    before(async function () {
      const client = new MongoClient(server.url)
      try {
        await imagesOrSkip(this, client)
      } finally {
        await client.close()
      }
    })

    itHolds('holds whatever happens', () => inMongo(server.url, true), MEASURE)
  })
})
