import { inMemoryReadAhead } from '../law/ahead.ts'
import { inMemory } from '../law/setting.ts'
import { itHolds } from '../law/trial.ts'

const TITLE =
  'holds on memory(), whatever happens: writes, clients that come, stop reading, drop and come back elsewhere as someone else, rights that change, histories that are lost, nodes that die'

describe('The law of Particle', () => {
  itHolds(TITLE, () => inMemory, {
    runs: 50,
    limit: 540_000,
    happened: [
      'states shown',
      'quiet points',
      'resumed here',
      'resumed elsewhere',
      'histories lost',
      'reset: slow-client',
      'reset: rights-changed',
      'revoked',
    ],
  })

  itHolds('holds on a source that reads ahead of what it has told', () => inMemoryReadAhead, {
    runs: 15,
    seed: 7,
    limit: 240_000,
    happened: ['states shown', 'quiet points', 'resumed here', 'histories lost'],
  })
})
