import { inMemory } from '../law/setting.ts'
import { itHolds } from '../law/trial.ts'

describe('The law of Particle', () => {
  itHolds(inMemory.name, () => inMemory, {
    runs: 1000,
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
})
