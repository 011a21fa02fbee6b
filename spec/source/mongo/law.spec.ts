import { inMongo } from '../../law/mongo.ts'
import { itHolds } from '../../law/trial.ts'
import { mongoOrSkip } from '../../support/mongod.ts'

describe('The law of Particle over MongoDB', () => {
  let url: string

  before(async function () {
    url = (await mongoOrSkip(this)).url
  })

  itHolds('MongoDB', () => inMongo(url), {
    runs: 20,
    limit: 180_000,
    happened: [
      'states shown',
      'quiet points',
      'resumed here',
      'resumed elsewhere',
      'histories lost',
      'streams broken off',
      'streams lost',
      'reset: slow-client',
      'reset: rights-changed',
    ],
  })
})
