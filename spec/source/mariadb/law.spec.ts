import { itHolds } from '../../law/trial.ts'
import { type MariadbServer, mariadbOrSkip } from '../../support/mariadb.ts'
import { MariadbLaw } from './setting.ts'

const HAPPENED = [
  'states shown',
  'quiet points',
  'resumed here',
  'resumed elsewhere',
  'histories lost',
  'streams broken off',
  'streams lost',
  'reset: history-lost',
  'reset: slow-client',
  'reset: rights-changed',
]

describe('The law of Particle over MariaDB', () => {
  let server: MariadbServer
  let law: MariadbLaw

  before(async function () {
    server = await mariadbOrSkip(this)
    law = await MariadbLaw.create(server)
  })

  after(() => law?.close())

  itHolds('holds whatever happens', () => law.setting, {
    runs: 7,
    seed: 1,
    limit: 180_000,
    happened: HAPPENED,
  })
})
