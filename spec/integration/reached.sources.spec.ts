import { expect } from 'chai'
import { MongoClient } from 'mongodb'
import { type DataSource, Server } from '../../lib/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { mongo } from '../../lib/source/mongo/index.ts'
import type { CollectionHandle } from '../../lib/source/source.ts'
import { TestDatabase as MariadbDatabase } from '../source/mariadb/database.ts'
import { freshDatabase } from '../source/mongo/fold.ts'
import { MODES, TestDatabase } from '../source/postgres/database.ts'
import { connect, freshAdapter, freshPrefix, removeAll } from '../source/redis/harness.ts'
import { type Listening, listen, shake } from '../support/http.ts'
import { late } from '../support/late.ts'
import { mariadbOrSkip } from '../support/mariadb.ts'
import { mongoOrSkip } from '../support/mongod.ts'
import { postgresOrSkip } from '../support/postgres.ts'
import { redisOrSkip } from '../support/redis.ts'
import { openStream, type SseReader } from '../support/sse.ts'

/** A write that no client sees is reported within this time, in milliseconds. */
const OUT_OF_VIEW_MS = 1_000

/** The delay of each report of the node that holds the stream, in milliseconds: a position is never there yet. */
const LATE_MS = 100

interface Store {
  /** The collection as each of two processes has it. */
  nodes: [CollectionHandle, CollectionHandle]
  write(id: number, team: string): Promise<unknown>
}

describe('The position of a write', () => {
  const servers: Server[] = []
  const listening: Listening[] = []
  let reader: SseReader | undefined

  const serve = async (collection: CollectionHandle) => {
    const server = new Server({
      secret: 'the secret of all nodes',
      dataSources: { tasks: { manifest: true, collection, criteria: { team: 'a' } } as DataSource },
      identityLookup: (identity) => identity as { user: number },
      onError: () => {},
    })
    servers.push(server)
    const heard = await listen(server.middleware())
    listening.push(heard)
    return { server, url: `${heard.url}/particle` }
  }

  afterEach(async () => {
    reader?.close()
    for (const server of servers.splice(0)) await server.disconnect()
    for (const each of listening.splice(0)) await each.close()
  })

  const holds = async ({ nodes, write }: Store) => {
    const writer = await serve(nodes[0])
    const { url } = await serve(late(nodes[1], () => LATE_MS))
    const { token } = await shake(url, { user: 1 })
    reader = await openStream(`${url}/stream`, { Authorization: `Bearer ${token}` })
    const stream = reader
    await stream.next('ready', 20_000)
    for (const [id, team] of [
      [1, 'a'],
      [2, 'b'],
      [3, 'a'],
      [4, 'b'],
    ] as const) {
      await write(id, team)
      const position = await writer.server.position('tasks')
      const before = stream.events.length
      const began = performance.now()
      const response = await fetch(`${url}/reached`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ token, position }),
      })
      expect(await response.json()).to.deep.equal({ live: true })
      const { data } = await stream.next('reached')
      const took = performance.now() - began
      expect(data.position).to.equal(position)
      const told = JSON.stringify(stream.events)
      expect(told.includes(`"id":${id},`) || told.includes(`"_id":${id}`), `${id} is shown`).to.equal(
        team === 'a',
      )
      if (team === 'b') {
        expect(stream.names().slice(before).includes('delta')).to.equal(false)
        expect(took).to.be.below(OUT_OF_VIEW_MS)
      }
    }
  }

  it('of memory is reported once everything up to it was sent', async () => {
    const tasks = memory().collection<{ _id: number; team: string }>('tasks')
    await holds({ nodes: [tasks, tasks], write: (_id, team) => tasks.insertOne({ _id, team }) })
  })

  describe('over two processes of MongoDB', () => {
    const clients: MongoClient[] = []
    let url = ''
    before(async function () {
      url = (await mongoOrSkip(this)).url
    })
    after(async () => {
      for (const client of clients) await client.close()
    })

    for (const w of ['majority', 1] as const) {
      it(`is reported after writes with the concern ${w}`, async () => {
        const [one, two] = [new MongoClient(url), new MongoClient(url)]
        clients.push(one, two)
        const db = freshDatabase(one)
        const tasks = db.collection<{ _id: number; team: string }>('tasks')
        const nodes = [db, two.db(db.databaseName)].map((each) => mongo(each).collection('tasks'))
        await holds({
          nodes: nodes as unknown as Store['nodes'],
          write: (_id, team) => tasks.insertOne({ _id, team }, { writeConcern: { w } }),
        })
      })
    }
  })

  describe('over two processes of PostgreSQL', () => {
    let database: TestDatabase
    before(async function () {
      database = await TestDatabase.create(await postgresOrSkip(this))
    })
    after(() => database?.close())

    for (const mode of MODES) {
      it(`is reported by ${mode}`, async () => {
        const table = `tasks_${mode}`
        await database.run(`CREATE TABLE ${table} (_id integer PRIMARY KEY, team text)`)
        const adapters = [
          await database.adapter(mode, [table]),
          await database.adapter(mode, [table], {}, database.newPool()),
        ]
        await holds({
          nodes: adapters.map((adapter) => adapter.collection(table)) as unknown as Store['nodes'],
          write: (id, team) => database.pool.query(`INSERT INTO ${table} VALUES ($1, $2)`, [id, team]),
        })
      })
    }
  })

  describe('over two processes of MariaDB', () => {
    let database: MariadbDatabase
    before(async function () {
      database = await MariadbDatabase.create(await mariadbOrSkip(this))
    })
    after(() => database?.close())

    it('is reported', async () => {
      await database.run('CREATE TABLE tasks (_id integer PRIMARY KEY, team text)')
      const adapters = [database.adapter(['tasks']), database.adapter(['tasks'], {}, database.newPool())]
      await holds({
        nodes: adapters.map((adapter) => adapter.collection('tasks')) as unknown as Store['nodes'],
        write: (id, team) => database.pool.query('INSERT INTO tasks VALUES (?, ?)', [id, team]),
      })
    })
  })

  describe('over two processes of Redis', () => {
    const clients: Awaited<ReturnType<typeof connect>>[] = []
    const prefix = freshPrefix()
    before(async function () {
      const { url } = await redisOrSkip(this)
      clients.push(await connect(url), await connect(url))
    })
    after(async () => {
      if (clients[0]) await removeAll(clients[0], prefix)
      for (const client of clients) client.destroy()
    })

    for (const stream of [true, false]) {
      it(`is reported by ${stream ? 'a stream' : 'notifications'}`, async () => {
        const nodes = clients.map((client) =>
          freshAdapter(client, { prefix: `${prefix}${stream}:` }, stream).collection('tasks', {
            id: 'number',
          }),
        )
        await holds({
          nodes: nodes as unknown as Store['nodes'],
          write: async (id, team) => await nodes[0]?.set(id, { team }),
        })
      })
    }
  })
})
