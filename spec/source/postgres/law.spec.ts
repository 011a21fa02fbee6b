import { itHolds } from '../../law/trial.ts'
import { socketFolder } from '../../support/host.ts'
import { type PostgresServer, postgresOrSkip } from '../../support/postgres.ts'
import { PostgresLaw, type PostgresManner } from './setting.ts'

const HAPPENED = [
  'states shown',
  'quiet points',
  'resumed here',
  'histories lost',
  'streams broken off',
  'streams lost',
  'reset: history-lost',
  'reset: slow-client',
  'reset: rights-changed',
]
const MANNERS: Readonly<Record<string, { manner: PostgresManner; happened: string[] }>> = {
  'logical replication': { manner: { changes: 'replication' }, happened: HAPPENED },
  'logical replication that tells rows before, and a permanent slot': {
    manner: { changes: 'replication', full: true, slot: true },
    happened: [...HAPPENED, 'resumed elsewhere'],
  },
  triggers: { manner: { changes: 'triggers' }, happened: [...HAPPENED, 'resumed elsewhere'] },
}

describe('The law of Particle over PostgreSQL', () => {
  let server: PostgresServer

  before(async function () {
    server = await postgresOrSkip(this)
  })

  for (const [name, { manner, happened }] of Object.entries(MANNERS))
    describe(`by ${name}`, () => {
      let law: PostgresLaw

      before(async () => {
        law = await PostgresLaw.create(server, manner)
      })

      after(() => law?.close())

      itHolds('holds whatever happens', () => law.setting, { runs: 7, seed: 1, limit: 180_000, happened })
    })

  for (const name of ['logical replication that tells rows before, and a permanent slot', 'triggers'])
    describe(`by ${name}, once per host`, () => {
      let law: PostgresLaw
      let sockets: Awaited<ReturnType<typeof socketFolder>>

      before(async () => {
        sockets = await socketFolder()
        const manner = MANNERS[name]?.manner ?? { changes: 'triggers' }
        law = await PostgresLaw.create(server, { ...manner, oncePerHost: sockets.folder })
      })

      after(async () => {
        await law?.close()
        await sockets.remove()
      })

      const happened = MANNERS[name]?.happened ?? []
      itHolds('holds whatever happens', () => law.setting, { runs: 7, seed: 1, limit: 180_000, happened })
    })
})
