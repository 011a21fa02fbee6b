import { Socket } from 'node:net'
import { Client, Pool } from 'pg'
import {
  installTriggers,
  type PostgresAdapter,
  type PostgresOptions,
  postgres,
} from '../../../lib/source/postgres/index.ts'
import { sourceContract } from '../../contract/source.contract.ts'
import { following, socketFolder } from '../../support/host.ts'
import {
  freshDatabase,
  type PostgresServer,
  postgresOrSkip,
  releaseDatabase,
} from '../../support/postgres.ts'
import { TableWriter } from '../sql/table-writer.ts'
import { createTable, sqlPool } from './table.ts'

const TABLES = ['contract_users', 'contract_teams']

describe('source/postgres holds the contract', () => {
  let server: PostgresServer
  let url: string

  before(async function () {
    server = await postgresOrSkip(this)
    url = await freshDatabase(server)
  })

  after(async () => {
    if (url) await releaseDatabase(server, url)
  })

  function harness(options: PostgresOptions) {
    return async () => {
      const pool = new Pool({ connectionString: url, max: 5 })
      for (const table of TABLES) await createTable(pool, table)
      if (options.changes === 'triggers') await installTriggers(pool, TABLES)
      const adapter = postgres(pool, options)
      for (const table of TABLES) adapter.collection(table, { document: 'doc' })
      return {
        adapter,
        collection: (name: string) => new TableWriter(sqlPool(pool), name),
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

  for (const changes of ['replication', 'triggers'] as const)
    sourceContract(`postgres by ${changes}, once per host`, async () => {
      const { folder, remove } = await socketFolder()
      const ways = [counted(url), counted(url)]
      const pool = ways[1]?.pool as Pool
      for (const table of TABLES) await createTable(pool, table)
      if (changes === 'triggers') await installTriggers(pool, TABLES)
      const adapters = ways.map((way) => postgres(way.pool, { changes, oncePerHost: folder }))
      for (const adapter of adapters)
        for (const table of TABLES) adapter.collection(table, { document: 'doc' })
      const [leader, adapter] = adapters as [PostgresAdapter, PostgresAdapter]
      const streams = () => ways.reduce((sum, { lasting }) => sum + lasting(), 0)
      const shared = await following(leader, adapter, streams)
      return {
        adapter: shared.adapter,
        collection: (name: string) => new TableWriter(sqlPool(pool), name),
        exact: true,
        close: async () => {
          await shared.close()
          await remove()
          for (const way of ways) await way.pool.end()
        },
      }
    })
})

/** A pool, and how many connections are open beside its own. */
function counted(connectionString: string): { pool: Pool; lasting(): number } {
  const sockets = new Set<Socket>()
  const stream = () => {
    const socket = new Socket()
    socket.once('connect', () => sockets.add(socket))
    return socket.once('close', () => sockets.delete(socket))
  }
  const pool = new Pool({ connectionString, max: 5, stream })
  return { pool, lasting: () => sockets.size - pool.totalCount }
}
