import { inCallbacks } from '../../law/setting.ts'
import { itHolds } from '../../law/trial.ts'

describe('The law of Particle over callbacks', () => {
  itHolds(
    'holds with positions and without, by documents and by fields, from a replica that is behind, whatever happens',
    () => inCallbacks,
    {
      runs: 30,
      seed: 7,
      limit: 240_000,
      happened: [
        'states shown',
        'quiet points',
        'resumed here',
        'reset: source-changed',
        'reset: slow-client',
        'reset: rights-changed',
        'revoked',
      ],
    },
  )
})
