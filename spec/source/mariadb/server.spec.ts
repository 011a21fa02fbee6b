import { expect } from 'chai'
import { createPool, type Pool, type RowDataPacket } from 'mysql2'
import { examineServer, isHopeless } from '../../../lib/source/mariadb/server.ts'
import { type MariadbServer, mariadbOrSkip, startMariadb } from '../../support/mariadb.ts'

/** A pool that answers as a server with these variables would. */
function answering(variables: Record<string, string>, status: Record<string, string> = {}): Pool {
  const query = async ({ sql }: { sql: string }) => {
    const {
      Slaves_running: replications = '0',
      Binlog_Do_DB: only = '',
      Binlog_Ignore_DB: ignored = '',
    } = status
    const rows = sql.includes('VARIABLES')
      ? Object.entries(variables)
      : sql.includes('Slaves_running')
        ? [['Slaves_running', replications]]
        : [['binlog.000001', '4', only, ignored]]
    return [rows.map((row) => row.map((cell) => Buffer.from(cell))), []]
  }
  const connection = { query, release() {}, destroy() {} }
  return { promise: () => ({ getConnection: async () => connection }) } as unknown as Pool
}

const GOOD = {
  version: '10.11.19-MariaDB-log',
  server_uid: 'abc',
  log_bin: 'ON',
  binlog_format: 'ROW',
  binlog_row_image: 'FULL',
  binlog_row_metadata: 'FULL',
  log_slave_updates: 'OFF',
  wsrep_on: 'OFF',
}
const APP = new Set(['app'])

async function refusal(pool: Pool): Promise<string> {
  try {
    await examineServer(pool, APP)
  } catch (error) {
    expect(error).to.have.property('code', 'INVALID_OPTION')
    expect(isHopeless(error)).to.equal(true)
    return (error as Error).message
  }
  return 'none'
}

describe('source/mariadb/server', () => {
  it('names the setting, its value, and the statement that mends it', async () => {
    const cases: [Record<string, string>, string[]][] = [
      [{ log_bin: 'OFF' }, ['log_bin is OFF', 'my.cnf', 'restart']],
      [
        { log_bin: 'OFF', binlog_format: 'MIXED', binlog_row_metadata: 'NO_LOG' },
        ['Write log_bin, binlog_format = ROW, binlog_row_metadata = FULL into'],
      ],
      [{ binlog_format: 'MIXED' }, ['binlog_format is MIXED', "SET GLOBAL binlog_format = 'ROW'"]],
      [{ binlog_row_image: 'MINIMAL' }, ["SET GLOBAL binlog_row_image = 'FULL'"]],
      [{ binlog_row_metadata: 'NO_LOG' }, ["SET GLOBAL binlog_row_metadata = 'FULL'"]],
    ]
    for (const [setting, words] of cases) {
      const message = await refusal(answering({ ...GOOD, ...setting }))
      for (const word of words) expect(message).to.include(word)
    }
  })

  it('refuses MySQL and old versions, and takes each later MariaDB', async () => {
    expect(await refusal(answering({ ...GOOD, version: '8.0.36' }))).to.include('another kind, as of MySQL')
    expect(await refusal(answering({ ...GOOD, version: '10.4.30-MariaDB' }))).to.include('10.5 or later')
    for (const version of [
      '10.5.1-MariaDB',
      '5.5.5-10.6.4-MariaDB-1:10.6.4',
      '11.8.2-MariaDB',
      '12.0.1-MariaDB',
    ])
      await examineServer(answering({ ...GOOD, version }), APP)
  })

  it('refuses a server whose log lacks the changes of other servers, or of a database', async () => {
    expect(await refusal(answering(GOOD, { Slaves_running: '1' }))).to.include('a primary')
    expect(await refusal(answering({ ...GOOD, wsrep_on: 'ON' }))).to.include('Galera')
    await examineServer(answering({ ...GOOD, wsrep_on: 'ON', log_slave_updates: 'ON' }), APP)
    expect(await refusal(answering(GOOD, { Binlog_Do_DB: 'shop,apps' }))).to.include(
      'leaves out the database app',
    )
    expect(await refusal(answering(GOOD, { Binlog_Ignore_DB: 'x,app' }))).to.include(
      'leaves out the database app',
    )
    await examineServer(answering(GOOD, { Binlog_Do_DB: 'shop,app' }), APP)
  })

  it('identifies a server by its own name, or by where it runs', async () => {
    const epoch = async (more: object) =>
      (await examineServer(answering({ ...GOOD, ...more } as Record<string, string>), APP)).epoch
    expect(await epoch({}))
      .to.equal(await epoch({ hostname: 'other' }))
      .and.match(/^[0-9a-f]{12}$/)
    expect(await epoch({})).not.to.equal(await epoch({ server_uid: 'other' }))
    const { server_uid: _, ...older } = GOOD
    const place = async (more: object) =>
      (await examineServer(answering({ ...older, server_id: '1', ...more }), APP)).epoch
    expect(await place({ hostname: 'a' })).not.to.equal(await place({ hostname: 'b' }))
    expect(await place({ hostname: 'a' })).to.equal(await place({ hostname: 'a' }))
  })

  describe('on a server', () => {
    let server: MariadbServer
    let pool: Pool

    before(async function () {
      server = await mariadbOrSkip(this)
      pool = createPool(server.url)
    })

    after(async () => {
      await pool?.promise().end()
    })

    it('takes a server that is set up, by an account with the documented rights', async () => {
      const { epoch } = await examineServer(pool, APP)
      const admin = pool.promise()
      await admin.query("CREATE OR REPLACE USER follower@'127.0.0.1' IDENTIFIED BY 'secret'")
      await admin.query("GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO follower@'127.0.0.1'")
      const url = new URL(server.url)
      url.username = 'follower'
      url.password = 'secret'
      const own = createPool(url.href)
      expect((await examineServer(own, APP)).epoch).to.equal(epoch)
      await admin.query("REVOKE BINLOG MONITOR ON *.* FROM follower@'127.0.0.1'")
      await own.promise().end()
      const less = createPool(url.href)
      expect(await refusal(less)).to.include('GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.*')
      await less.promise().end()
      await admin.query("DROP USER follower@'127.0.0.1'")
    })

    it('refuses a server with the settings that MariaDB has by default', async function () {
      this.timeout(60_000)
      const plain = await startMariadb({
        settings: { 'binlog-row-metadata': undefined, 'binlog-format': undefined },
      })
      const other = createPool(plain.url)
      try {
        const [rows] = await other.promise().query<RowDataPacket[]>('SELECT @@binlog_format AS format')
        expect(rows[0]?.format).to.equal('MIXED')
        const statements = ["SET GLOBAL binlog_format = 'ROW'", "SET GLOBAL binlog_row_metadata = 'FULL'"]
        expect(await refusal(other)).to.include(statements.join(', '))
        for (const statement of statements) await other.promise().query(statement)
        await examineServer(other, APP)
      } finally {
        await other.promise().end()
        await plain.stop()
      }
    })
  })
})
