import { createPool } from 'mysql2/promise'
import { mariadb } from '../../../lib/source/mariadb/index.ts'
import { sourceContract } from '../../contract/source.contract.ts'
import { freshDatabase, type MariadbServer, mariadbOrSkip, releaseDatabase } from '../../support/mariadb.ts'
import { TableWriter } from '../sql/table-writer.ts'
import { createTable, sqlPool } from './table.ts'

const TABLES = ['contract_users', 'contract_teams']

describe('source/mariadb holds the contract', () => {
  let server: MariadbServer
  let url: string

  before(async function () {
    server = await mariadbOrSkip(this)
    url = await freshDatabase(server)
  })

  after(async () => {
    if (url) await releaseDatabase(server, url)
  })

  sourceContract('mariadb', async () => {
    const pool = createPool({ uri: url, connectionLimit: 5 })
    for (const table of TABLES) await createTable(pool, table)
    const adapter = mariadb(pool)
    for (const table of TABLES) adapter.collection(table, { document: 'doc' })
    return {
      adapter,
      collection: (name: string) => new TableWriter(sqlPool(pool), name),
      exact: true,
      close: () => pool.end(),
    }
  })
})
