import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { expect } from 'chai'
import { MongoClient } from 'mongodb'
import { Client } from '../../lib/client/client.ts'
import { mongo } from '../../lib/source/mongo/index.ts'
import type { Adapter } from '../../lib/source/source.ts'
import { TestDatabase as MariadbDatabase } from '../source/mariadb/database.ts'
import { freshDatabase } from '../source/mongo/fold.ts'
import { MODES, TestDatabase } from '../source/postgres/database.ts'
import { connect, freshAdapter, freshPrefix, removeAll } from '../source/redis/harness.ts'
import { bundled } from '../support/bundled.ts'
import type { ControlNodeOptions } from '../support/control/node.ts'
import { shake } from '../support/http.ts'
import { until } from '../support/local.ts'
import { mariadbOrSkip } from '../support/mariadb.ts'
import { mongoOrSkip } from '../support/mongod.ts'
import { Nodes } from '../support/nodes.ts'
import { postgresOrSkip } from '../support/postgres.ts'
import { freePort, type Program, startProgram } from '../support/process.ts'
import { redisOrSkip } from '../support/redis.ts'

const PROGRAM = join(import.meta.dirname, '..', 'support', 'control', 'node.ts')

/** Revocations come to all nodes within this time of the write, in milliseconds: a second, on a busy machine. */
const LATENCY_MS = 3_000

async function statusOf(url: string, token: string): Promise<number> {
  const response = await fetch(`${url}/stream`, { headers: { Authorization: `Bearer ${token}` } })
  await response.body?.cancel()
  return response.status
}

describe('Revocations over the stores', () => {
  const nodes = new Nodes()
  const clients: Client[] = []
  afterEach(() => {
    for (const client of clients.splice(0)) client.close()
  })

  /** Has one node revoke, and looks at another one and at one that starts later. */
  const holds = async (adapters: (Adapter & { collection(name: string): object })[]) => {
    const secret = randomUUID()
    const [first, second, third] = adapters
    const start = (adapter = first) =>
      nodes.start({
        secret,
        identityLookup: (identity) => identity,
        dataSources: { notes: { manifest: true, collection: adapter?.collection('notes') as never } },
        control: true,
      })
    const [one, other] = [await start(), await start(second)]
    const ann = new Client({ url: other.url, identity: { userId: 7 }, onError: () => {} })
    const ben = new Client({ url: other.url, identity: { userId: 8 } })
    clients.push(ann, ben)
    await Promise.all([ann.ready(), ben.ready()])
    const { token } = await shake(other.url, { userId: 7 })
    await one.server.revoke({ userId: { $in: [7, 9] } }, 'banned')
    await until(() => ann.status === 'refused', 'ann is refused', LATENCY_MS)
    expect(ben.status).to.equal('ready')
    const back = await shake(one.url, { userId: 7 })
    const late = await start(third)
    const asked = [token, back.token].flatMap((each) =>
      [one, other, late].map(({ url }) => statusOf(url, each)),
    )
    expect(await Promise.all(asked)).to.deep.equal([401, 401, 401, 200, 200, 200])
  }

  /** Lets a node without the table open no streams, until the table is created. */
  const waitsForTable = async (
    adapter: Adapter & { collection(name: string): object },
    create: () => Promise<unknown>,
  ) => {
    const errors: string[] = []
    const { url, server } = await nodes.start({
      secret: randomUUID(),
      identityLookup: (identity) => identity,
      dataSources: { notes: { manifest: true, collection: adapter.collection('notes') as never } },
      control: adapter.collection('decisions') as never,
      controlTimeout: 1_000,
      onError: ({ message }) => errors.push(message),
    })
    expect(await server.readiness()).to.include({ ready: false, control: false })
    const client = new Client({ url, identity: { userId: 7 }, onError: () => {} })
    clients.push(client)
    await until(() => errors.length > 0, 'the missing table is reported')
    expect(errors.join()).to.include('There is no table decisions in the database').and.include('create it')
    expect(client.status).not.to.equal('ready')
    await create()
    await until(() => client.status === 'ready', 'the client is served', 20_000)
    expect(errors).to.have.length(1)
  }

  /** Stalls the store: a revocation rejects, the other node and one that starts wait, and then all know it. */
  const outlasts = async (
    [first, second, third]: (Adapter & { collection(name: string): object })[],
    signal: ((signal: 'SIGSTOP' | 'SIGCONT') => void) | undefined,
  ) => {
    const options = { secret: randomUUID(), control: true as const, controlTimeout: 1_000, onError: () => {} }
    const start = (adapter = first) =>
      nodes.start({
        ...options,
        identityLookup: (identity) => identity,
        dataSources: { notes: { manifest: true, collection: adapter?.collection('notes') as never } },
      })
    const [one, other] = [await start(), await start(second)]
    const ann = new Client({ url: other.url, identity: { userId: 7 }, onError: () => {} })
    clients.push(ann)
    await ann.ready()
    const { token } = await shake(other.url, { userId: 7 })
    expect(await one.server.readiness()).to.include({ ready: true, control: true })
    signal?.('SIGSTOP')
    try {
      const error = await one.server.revoke({ userId: 7 }).catch((reason: unknown) => reason)
      expect(String(error)).to.include('there was no answer in 1000 ms')
      const late = await start(third)
      expect(await late.server.readiness()).to.include({ ready: false, control: false })
      expect(await statusOf(late.url, token)).to.equal(503)
      expect(ann.status).to.equal('ready')
      signal?.('SIGCONT')
      await until(() => ann.status === 'refused', 'the store takes it, and ann is refused', 20_000)
      let isReady = false
      const look = () => {
        void late.server.readiness().then(({ ready }) => {
          isReady = ready
        })
        return isReady
      }
      await until(look, 'the late node is ready', 20_000)
      expect(await statusOf(late.url, token)).to.equal(401)
    } finally {
      signal?.('SIGCONT')
    }
  }

  describe('of PostgreSQL', () => {
    let database: TestDatabase
    let postgres: Awaited<ReturnType<typeof postgresOrSkip>>
    before(async function () {
      postgres = await postgresOrSkip(this)
      database = await TestDatabase.create(postgres)
      await database.run('CREATE TABLE notes (_id integer PRIMARY KEY)')
      await database.run('CREATE TABLE particle_control (_id text PRIMARY KEY, entry text NOT NULL)')
    })
    after(() => database?.close())

    for (const mode of MODES)
      it(`come to all nodes by ${mode}`, async () => {
        const tables = ['notes', 'particle_control']
        const adapters: Adapter[] = []
        for (let count = 0; count < 3; count++)
          adapters.push(await database.adapter(mode, tables, {}, database.newPool()))
        await holds(adapters as never)
      })

    it('open no streams without their table, which is reported by its name', async () => {
      const adapter = await database.adapter('replication', ['notes'], {}, database.newPool())
      const create = () => database.run('CREATE TABLE decisions (_id text PRIMARY KEY, entry text NOT NULL)')
      await waitsForTable(adapter as never, create)
    })

    it('reject while the server stalls, and come to all nodes when it goes on', async function () {
      if (!postgres.signal) return this.skip()
      const tables = ['notes', 'particle_control']
      const adapters: Adapter[] = []
      for (let count = 0; count < 3; count++)
        adapters.push(await database.adapter('replication', tables, {}, database.newPool()))
      await outlasts(adapters as never, postgres.signal)
    })
  })

  describe('of MariaDB', () => {
    let database: MariadbDatabase
    let mariadb: Awaited<ReturnType<typeof mariadbOrSkip>>
    before(async function () {
      mariadb = await mariadbOrSkip(this)
      database = await MariadbDatabase.create(mariadb)
      await database.run('CREATE TABLE notes (_id integer PRIMARY KEY)')
      await database.run('CREATE TABLE particle_control (_id varchar(64) PRIMARY KEY, entry text NOT NULL)')
    })
    after(() => database?.close())

    const adapters = () =>
      [1, 2, 3].map(() => database.adapter(['notes', 'particle_control'], {}, database.newPool()))

    it('come to all nodes', async () => {
      await holds(adapters() as never)
    })

    it('open no streams without their table, which is reported by its name', async () => {
      const adapter = database.adapter(['notes'], {}, database.newPool())
      const create = () =>
        database.run('CREATE TABLE decisions (_id varchar(64) PRIMARY KEY, entry text NOT NULL)')
      await waitsForTable(adapter as never, create)
    })

    it('reject while the server stalls, and come to all nodes when it goes on', async function () {
      if (!mariadb.signal) return this.skip()
      await outlasts(adapters() as never, mariadb.signal)
    })
  })

  describe('of Redis', () => {
    const connections: Awaited<ReturnType<typeof connect>>[] = []
    const prefix = freshPrefix()
    let redis: Awaited<ReturnType<typeof redisOrSkip>>
    before(async function () {
      redis = await redisOrSkip(this)
      const { url } = redis
      for (let count = 0; count < 3; count++) connections.push(await connect(url))
    })
    after(async () => {
      if (connections[0]) await removeAll(connections[0], prefix)
      for (const connection of connections) connection.destroy()
    })

    for (const stream of [true, false])
      it(`come to all nodes by ${stream ? 'a stream' : 'notifications'}`, async () => {
        await holds(
          connections.map((client) =>
            freshAdapter(client, { prefix: `${prefix}${stream}:` }, stream),
          ) as never,
        )
      })

    it('reject while the server stalls, and come to all nodes when it goes on', async function () {
      if (!redis.signal) return this.skip()
      const adapters = connections.map((client) => freshAdapter(client, { prefix: `${prefix}stall:` }, true))
      await outlasts(adapters as never, redis.signal)
    })
  })

  describe('of MongoDB', function () {
    this.timeout(120_000)
    const mongos: MongoClient[] = []
    const programs: Program[] = []
    let url = ''
    before(async function () {
      url = (await mongoOrSkip(this)).url
    })
    after(async () => {
      for (const client of mongos) await client.close()
      await Promise.all(programs.map((program) => program.stop('SIGKILL')))
    })

    it('come to all nodes', async () => {
      for (let count = 0; count < 3; count++) mongos.push(new MongoClient(url))
      const [first] = mongos
      if (!first) throw new Error('no client')
      const { databaseName } = freshDatabase(first)
      await holds(mongos.map((client) => mongo(client.db(databaseName))) as never)
    })

    it('come to processes: one that starts later, and one that was stopped meanwhile', async () => {
      const options = { url, secret: randomUUID(), database: `control_${randomUUID().slice(0, 8)}` }
      const start = async () => {
        const given: ControlNodeOptions = { ...options, port: await freePort() }
        const program = startProgram(process.execPath, [await bundled(PROGRAM), JSON.stringify(given)])
        programs.push(program)
        await until(() => program.output().includes('listening'), 'a node listens', 30_000)
        return {
          program,
          base: `http://127.0.0.1:${given.port}`,
          at: `http://127.0.0.1:${given.port}/particle`,
        }
      }
      const [one, stopped] = [await start(), await start()]
      const open = async (userId: number) => {
        const client = new Client({ url: stopped.at, identity: { userId }, onError: () => {} })
        clients.push(client)
        await client.ready()
        return client
      }
      const [ann, ben] = [await open(7), await open(8)]
      const { token } = await shake(stopped.at, { userId: 7 })

      stopped.program.child.kill('SIGSTOP')
      const revoked = await fetch(`${one.base}/revoke`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ query: { userId: 7 }, reason: 'banned' }),
      })
      expect(await revoked.json()).to.deep.equal({ streams: 0 })
      const late = await start()
      expect([await statusOf(one.at, token), await statusOf(late.at, token)]).to.deep.equal([401, 401])
      expect(ann.status).to.equal('ready')

      stopped.program.child.kill('SIGCONT')
      await until(() => ann.status === 'refused', 'ann is refused', LATENCY_MS)
      expect(await statusOf(stopped.at, token)).to.equal(401)
      await until(() => ben.status === 'ready', 'ben is ready', 20_000)
      const back = await shake(stopped.at, { userId: 7 })
      expect(await Promise.all([one, stopped, late].map(({ at }) => statusOf(at, back.token)))).to.deep.equal(
        [200, 200, 200],
      )
      expect((await fetch(`${late.base}/readyz`)).status).to.equal(200)
    })
  })
})
