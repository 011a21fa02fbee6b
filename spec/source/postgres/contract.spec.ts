import { Client, Pool } from 'pg'
import { installTriggers, type PostgresOptions, postgres } from '../../../lib/source/postgres/index.ts'
import { sourceContract } from '../../contract/source.contract.ts'
import { dropDatabase, freshDatabase, type PostgresServer, postgresOrSkip } from '../../support/postgres.ts'
import { TableWriter } from './writer.ts'

const TABLES = ['contract_users', 'contract_teams']

describe('source/postgres holds the contract', () => {
  let server: PostgresServer
  let url: string

  before(async function () {
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
        close: async () => {
          if (options.slot !== undefined)
            await pool.query(
              'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1',
              [options.slot],
            )
          await pool.end()
        },
      }
    }
  }

  sourceContract('postgres by logical replication', harness({ changes: 'replication' }))
  describe('(where the server bounds what slots keep)', () => {
    before(async function () {
      const client = new Client(url)
      await client.connect()
      const { rows } = await client.query("SELECT current_setting('max_slot_wal_keep_size') AS bound")
      await client.end()
      if (rows[0]?.bound !== '-1') return
      if (process.env.CI) throw new Error('max_slot_wal_keep_size is -1')
      console.log('postgres: skipped: max_slot_wal_keep_size of the server of POSTGRES_URL is -1.')
      this.skip()
    })

    sourceContract('postgres with a permanent slot', harness({ changes: 'replication', slot: 'contract' }))
  })

  sourceContract('postgres by triggers', harness({ changes: 'triggers' }))
})
