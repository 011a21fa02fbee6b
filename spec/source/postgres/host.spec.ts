import { readdirSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { Pool } from 'pg'
import { postgres } from '../../../lib/source/postgres/index.ts'
import type { Change, ChangeListener, Subscription } from '../../../lib/source/source.ts'
import { socketFolder } from '../../support/host.ts'
import { until } from '../../support/local.ts'
import {
  freshDatabase,
  type PostgresServer,
  postgresOrSkip,
  releaseDatabase,
} from '../../support/postgres.ts'

describe('PostgreSQL by logical replication, once per host', () => {
  let server: PostgresServer
  let url: string
  let pool: Pool
  let sockets: Awaited<ReturnType<typeof socketFolder>>
  let subscription: Subscription | undefined
  let leader: Server | undefined
  const followers: Socket[] = []

  before(async function () {
    server = await postgresOrSkip(this)
    url = await freshDatabase(server)
    pool = new Pool({ connectionString: url })
    pool.on('error', () => {})
    sockets = await socketFolder()
  })

  after(async () => {
    await subscription?.close()
    for (const follower of followers) follower.destroy()
    leader?.close()
    await sockets?.remove()
    if (url) await releaseDatabase(server, url, pool)
  })

  it('reads no rows from before a transaction that another process has reported', async function () {
    this.timeout(30_000)
    await pool.query('CREATE TABLE users (id int PRIMARY KEY, name text)')
    const adapter = postgres(pool, { changes: 'replication', oncePerHost: sockets.folder })
    adapter.collection('users')
    const seen: Change[] = []
    const listener: ChangeListener = {
      changes: (changes) => void seen.push(...changes),
      progress: () => {},
      lost: () => {},
      error: () => {},
    }
    subscription = await adapter.open(listener)
    const { position } = subscription
    const found = () => readdirSync(sockets.folder).filter((name) => !name.includes('.'))
    await until(() => found().length === 1, 'the process leads')

    // Another process takes its place, and reports a transaction that is not visible yet.
    const writer = await pool.connect()
    await writer.query("BEGIN; INSERT INTO users VALUES (1, 'Ann')")
    const { rows } = await writer.query('SELECT pg_current_xact_id()::text::bigint % 4294967296 AS xid')
    const [epoch, lsn = ''] = position.split('.')
    const at = (ahead: bigint, ordinal: number) =>
      `${epoch}.${(BigInt(`0x${lsn}`) + ahead).toString(16).padStart(16, '0')}.${ordinal}`
    const document = { _id: 1, id: 1, name: 'Ann' }
    const change = {
      ...{ kind: 'insert', position: at(8n, 2), timestamp: new Date().toISOString(), collection: 'users' },
      ...{ transaction: `8.${rows[0]?.xid}`, id: 1, document },
      operations: [{ operation: 'set', path: '.', data: document }],
    }
    const messages = [
      { kind: 'alive' },
      { kind: 'welcome', position },
      { kind: 'changes', position: at(9n, 0), changes: [change] },
    ]
    leader = createServer((socket) => {
      followers.push(socket.on('error', () => {}))
      for (const message of messages) socket.write(`${JSON.stringify(message)}\n`)
    }).listen(join(sockets.folder, 'other.sock'))
    await rename(join(sockets.folder, 'other.sock'), join(sockets.folder, found()[0] ?? ''))
    await until(() => seen.length === 1, 'the change has come', 10_000)

    const names: unknown[] = []
    let isRead = false
    let attempts = 0
    pool.on('acquire', () => void attempts++)
    const reading = adapter.read('users', {}, (rows) => void names.push(...rows.map(({ name }) => name)))
    void reading.then(() => {
      isRead = true
    })
    await until(() => isRead || attempts > 3, 'the snapshot is taken again')
    expect(isRead).to.equal(false)
    await writer.query('COMMIT')
    writer.release()
    const { from } = await reading
    expect(names).to.deep.equal(['Ann'])
    expect(from).to.equal(at(9n, 0))
  })
})
