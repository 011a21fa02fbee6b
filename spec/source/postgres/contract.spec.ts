import { Pool } from 'pg'
import { installTriggers, type PostgresOptions, postgres } from '../../../lib/source/postgres/index.ts'
import { sourceContract } from '../../contract/source.contract.ts'
import { dropDatabase, freshDatabase, type PostgresServer, postgresOrSkip } from '../../support/postgres.ts'
import { TableWriter } from './writer.ts'

const TABLES = ['contract_users', 'contract_teams']

describe('source/postgres holds the contract', () => {
  let server: PostgresServer
  let url: string

  before(async function () {
    // So that a permanent slot is allowed.
    server = await postgresOrSkip(this)
    url = await freshDatabase(server)
  })

  after(async () => {
    if (url) await dropDatabase(server, url)
  })

  function harness(options: PostgresOptions) {
    return async () => {
      const pool = new Pool({ connectionString: url, max: 5 })
      for (const table of TABLES) await TableWriter.create(pool, table)
      if (options.changes === 'triggers') await installTriggers(pool, TABLES)
      const adapter = postgres(pool, options)
      for (const table of TABLES) adapter.collection(table, { document: 'doc' })
      return {
        adapter,
        collection: (name: string) => new TableWriter(pool, name),
        exact: true,
        close: () => pool.end(),
      }
    }
  }

  sourceContract('postgres by logical replication', harness({ changes: 'replication' }))
  sourceContract('postgres by triggers', harness({ changes: 'triggers' }))
})
