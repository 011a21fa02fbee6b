import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { expect } from 'chai'
import { Pool } from 'pg'
import { postgres } from '../../../lib/source/postgres/index.ts'
import { connect as borrow, release } from '../../../lib/source/postgres/session.ts'
import { until } from '../../support/local.ts'
import { readAll } from '../mongo/fold.ts'
import { eachDatabase, type TestDatabase } from './database.ts'

const MESSAGE = ['SFATAL', 'C57P01', 'Mterminating connection due to administrator command', '', ''].join(
  '\0',
)
/** The last words of a server that is shut down. */
const FATAL = Buffer.concat([Buffer.from('E'), lengthOf(MESSAGE.length + 4), Buffer.from(MESSAGE)])
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])

function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(length)
  return bytes
}

/**
 * Leads to a PostgreSQL server, which ends the next connections as soon as they are open. The client gets both
 * in one packet, as a busy process does when a server is restarted.
 */
class AbruptServer {
  /** How many of the next connections end, and how many have. */
  left = 0
  ended = 0
  readonly #listening: Server
  readonly #sockets = new Set<Socket>()

  private constructor(listening: Server, to: number) {
    this.#listening = listening
    listening.on('connection', (near) => {
      const far = connect(to, '127.0.0.1')
      let isOpen = false
      for (const socket of [near, far]) {
        this.#sockets.add(socket)
        socket.on('error', () => {})
        socket.once('close', () => {
          near.destroy()
          far.destroy()
        })
      }
      near.pipe(far)
      far.on('data', (chunk) => {
        if (isOpen || !chunk.subarray(-READY.length).equals(READY) || this.left === 0) {
          isOpen ||= chunk.subarray(-READY.length).equals(READY)
          near.write(chunk)
          return
        }
        this.left--
        this.ended++
        far.removeAllListeners('data')
        near.end(Buffer.concat([chunk, FATAL]))
      })
    })
  }

  static async open(to: number): Promise<AbruptServer> {
    const listening = createServer().listen(0, '127.0.0.1')
    await once(listening, 'listening')
    return new AbruptServer(listening, to)
  }

  get port(): number {
    return (this.#listening.address() as AddressInfo).port
  }

  close(): void {
    this.#listening.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

describe('source/postgres/session on a server whose first words are its last', () => {
  const AUTHENTICATED = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0])

  it('leaves the process its life, and the pool no client', async () => {
    // One packet has both for certain: the client's error is emitted while the pool hands the client out.
    const listening = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(Buffer.concat([AUTHENTICATED, READY, FATAL])))
    }).listen(0, '127.0.0.1')
    await once(listening, 'listening')
    const { port } = listening.address() as AddressInfo
    const pool = new Pool({ connectionString: `postgres://nobody@127.0.0.1:${port}/none` })
    try {
      const client = await borrow(pool)
      const failure: unknown = await client.query('SELECT 1').catch((error: unknown) => error)
      release(client, failure as Error)
      expect(failure).to.be.an('error')
      expect(pool.totalCount).to.equal(0)
    } finally {
      await pool.end()
      listening.close()
    }
  })
})

describe('source/postgres on a server that ends connections as soon as they are open', () => {
  let database: TestDatabase
  let abrupt: AbruptServer
  let url: URL
  eachDatabase(async (created) => {
    database = created
    await database.run('CREATE TABLE users (_id integer PRIMARY KEY, name text)')
    url = new URL(database.url)
    abrupt = await AbruptServer.open(Number(url.port))
    url.port = String(abrupt.port)
  })
  afterEach(() => abrupt?.close())

  it('rejects reads meanwhile, and reads afterwards', async () => {
    const pool = database.newPool(url.href)
    const adapter = postgres(pool)
    adapter.collection('users')
    await readAll(adapter, 'users')
    await database.run(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    )
    await until(() => pool.totalCount === 0, 'the end of all connections')
    abrupt.left = 3
    for (let reads = 0; abrupt.ended < 3; reads++) {
      const error: unknown = await readAll(adapter, 'users').catch((reason: unknown) => reason)
      expect(error).to.be.an('error')
      expect(reads, 'each read takes a connection').to.be.below(3)
    }
    expect((await readAll(adapter, 'users')).documents).to.deep.equal([])
  })

  it('goes on to follow it', async () => {
    const adapter = await database.adapter('replication', ['users'], {}, database.newPool(url.href))
    const { recorder } = await database.follow(adapter)
    abrupt.left = 3
    await database.run(
      'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT NULL',
    )
    await recorder.until(() => abrupt.left === 0 && recorder.losses.length > 0, 20_000)
    await database.run("INSERT INTO users VALUES (1, 'a')")
    await recorder.until(() => recorder.changesSeen.length === 1)
  }).timeout(40_000)
})
