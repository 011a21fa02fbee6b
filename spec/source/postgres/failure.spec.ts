import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { Client } from 'pg'
import { Server } from '../../../lib/server/index.ts'
import { installTriggers, postgres } from '../../../lib/source/postgres/index.ts'
import { LocalClient, until } from '../../support/local.ts'
import { type PostgresServer, postgresOrSkip, startPostgres } from '../../support/postgres.ts'
import { freePort } from '../../support/process.ts'
import { Recorder, readAll } from '../mongo/fold.ts'
import { MODES, TestDatabase } from './database.ts'

describe('source/postgres on a server that fails', () => {
  let server: PostgresServer
  let database: TestDatabase

  before(async function () {
    // One of its own, since it is stopped; by an empty list of settings it is never the one of POSTGRES_URL.
    server = await postgresOrSkip(this, () => startPostgres({ settings: {} }))
  })

  after(() => server?.stop())

  beforeEach(async () => {
    database = await TestDatabase.create(server)
    await database.run('CREATE TABLE users (id integer PRIMARY KEY, name text)')
  })

  afterEach(() => database.close())

  const ids = (recorder: Recorder) =>
    recorder.changesSeen.map((change) => ('id' in change ? change.id : change.kind))

  const ways = [
    { mode: 'replication', options: {}, loses: true },
    { mode: 'replication', options: { slot: 'anchor' }, loses: false },
    { mode: 'triggers', options: {}, loses: false },
  ] as const

  for (const { mode, options, loses } of ways) {
    const name = `by ${mode}${'slot' in options ? ' with a permanent slot' : ''}`

    for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
      it(`goes on after the server was restarted (${signal}), ${name}, ${loses ? 'and says what it lost' : 'without loss'}`, async () => {
        const adapter = await database.adapter(mode, ['users'], options, database.newPool())
        const { recorder } = await database.follow(adapter)
        await database.run("INSERT INTO users VALUES (1, 'a')")
        await recorder.until(() => recorder.changesSeen.length === 1)
        await server.restart?.(signal)
        await database.run("INSERT INTO users VALUES (2, 'b')")
        if (loses) await recorder.until(() => recorder.losses.length > 0)
        await database.run("INSERT INTO users VALUES (3, 'c')")
        await recorder.until(() => ids(recorder).includes(3))
        if (!loses) expect(ids(recorder)).to.deep.equal([1, 2, 3])
        expect(recorder.losses).to.have.length(loses ? 1 : 0)
        expect(recorder.errors).not.to.deep.equal([])
        const { to } = await readAll(adapter, 'users')
        await recorder.reached(adapter, to)
      }).timeout(40_000)
    }

    it(`keeps a server's clients exact through a restart, ${name}`, async () => {
      const pool = database.newPool()
      const adapter = await database.adapter(mode, ['users'], options, pool)
      const particle = new Server({
        dataSources: {
          all: { manifest: true, collection: adapter.collection('users') },
          some: { manifest: true, collection: adapter.collection('users'), criteria: { name: 'x' } },
        },
        onError: () => {},
      })
      try {
        const client = await LocalClient.connect(particle)
        await until(() => client.ready)
        let id = 0
        const write = async () => {
          id++
          const names = ['x', 'y']
          await database.run(`INSERT INTO users VALUES (${id}, '${names[id % 2]}')`)
          await database.run(
            `UPDATE users SET name = '${names[(id + 1) % 2]}' WHERE id = ${Math.ceil(id / 2)}`,
          )
        }
        for (let times = 0; times < 20; times++) await write()
        await server.restart?.('SIGQUIT')
        for (let times = 0; times < 20; times++) await write()
        const { rows } = await database.pool.query('SELECT id AS _id, id, name FROM users ORDER BY id')
        const sorted = (root: string) =>
          [...(client.model[root] ?? [])].sort((a, b) => Number(a._id) - Number(b._id))
        await until(
          () =>
            JSON.stringify(sorted('all')) === JSON.stringify(rows) &&
            JSON.stringify(sorted('some')) === JSON.stringify(rows.filter(({ name: n }) => n === 'x')),
          'the clients have what the table has',
          20_000,
        )
        if (!loses) expect(client.of('reset')).to.deep.equal([])
      } finally {
        await particle.disconnect()
      }
    }).timeout(40_000)
  }

  for (const options of [{}, { slot: 'anchor' }]) {
    it(`says that the history is lost where the server took the slot, ${'slot' in options ? 'the permanent one, too' : 'and goes on'}`, async () => {
      await database.run("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", 'SELECT pg_reload_conf()')
      const slow = new Client(database.url)
      try {
        const adapter = await database.adapter('replication', ['users'], options, database.newPool())
        const { recorder } = await database.follow(adapter)
        await slow.connect()
        // A slot must keep all since the oldest transaction that is under way.
        await slow.query("BEGIN; INSERT INTO users VALUES (1, 'a')")
        for (let times = 0; times < 4; times++)
          await database.run(
            'SELECT pg_switch_wal()',
            'CREATE TABLE more ()',
            'DROP TABLE more',
            'CHECKPOINT',
          )
        await slow.query('COMMIT')
        await recorder.until(() => recorder.losses.length > 0, 25_000)
        await database.run("INSERT INTO users VALUES (2, 'b')")
        await recorder.until(() => ids(recorder).includes(2))
        const { documents, to } = await readAll(adapter, 'users')
        expect(documents).to.have.length(2)
        await recorder.reached(adapter, to)
      } finally {
        await slow.end()
        await database.run('ALTER SYSTEM RESET max_slot_wal_keep_size', 'SELECT pg_reload_conf()')
      }
    }).timeout(60_000)
  }

  for (const mode of MODES) {
    it(`opens when the server comes up, and tells meanwhile that it is not there, by ${mode}`, async () => {
      const url = new URL(database.url)
      url.port = String(await freePort())
      const adapter = await database.adapter(mode, ['users'], {}, database.newPool(url.href))
      const recorder = new Recorder()
      const opening = adapter.open(recorder)
      await until(() => recorder.errors.length >= 2)
      expect(String(recorder.errors[0])).to.include('ECONNREFUSED')
      // The pool's next connections go to where the server is.
      adapter.pool.options.connectionString = database.url
      const subscription = await opening
      await subscription.close()
      expect(await database.leftovers()).to.deep.equal({ slots: 0, connections: 0 })
    })

    it(`rejects where the role or the database is not there, by ${mode}`, async () => {
      const { host } = new URL(database.url)
      for (const place of [
        `postgres://nobody_here@${host}/postgres`,
        `postgres://particle@${host}/nothing`,
      ]) {
        const adapter = postgres(database.newPool(place), { changes: mode })
        adapter.collection('users')
        const error: unknown = await adapter.open(new Recorder()).catch((reason: unknown) => reason)
        expect(String(error)).to.match(/does not exist/)
      }
    })
  }

  it('can be closed while it waits for its slot, and leaves none', async () => {
    const slow = new Client(database.url)
    await slow.connect()
    await slow.query("BEGIN; INSERT INTO users VALUES (1, 'a')")
    const adapter = await database.adapter('replication', ['users'], {}, database.newPool())
    const recorder = new Recorder()
    await slow.query('COMMIT')
    const first = await adapter.open(recorder)
    await slow.query("BEGIN; INSERT INTO users VALUES (2, 'b')")
    // The connection is lost, and the next slot must wait for the transaction to end.
    await database.run(
      `SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'particle'`,
    )
    await until(() => recorder.errors.length > 0)
    await new Promise((resolve) => setTimeout(resolve, 1000))
    expect(await database.leftovers()).to.deep.equal({ slots: 1, connections: 1 })
    const start = Date.now()
    await first.close()
    expect(Date.now() - start).to.be.below(2000)
    for (let tries = 0; tries < 20 && (await database.leftovers()).slots > 0; tries++)
      await new Promise((resolve) => setTimeout(resolve, 50))
    expect(await database.leftovers()).to.deep.equal({ slots: 0, connections: 0 })
    await slow.query('COMMIT')
    await slow.end()
  }).timeout(20_000)

  it('reads and looks up nothing older than what it told, also while a commit waits for a standby', async () => {
    const adapter = await database.adapter('replication', ['users'], {}, database.newPool())
    const { recorder } = await database.follow(adapter)
    const writer = new Client(database.url)
    await writer.connect()
    await writer.query('SET synchronous_commit = on')
    const set = async (names: string) => {
      for (const statement of [names, 'SELECT pg_reload_conf()']) await database.run(statement)
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    try {
      await database.run("ALTER SYSTEM SET synchronous_commit = 'local'")
      await set("ALTER SYSTEM SET synchronous_standby_names = 'none_such'")
      const writing = writer.query("INSERT INTO users VALUES (1, 'a')")
      // It is in the WAL, and others don't see it yet.
      await recorder.until(() => recorder.changesSeen.length === 1)
      const { rows } = await database.pool.query('SELECT count(*)::int AS count FROM users')
      expect(rows).to.deep.equal([{ count: 0 }])
      let done = 0
      const reading = readAll(adapter, 'users').finally(() => done++)
      const lookup = adapter.lookup('users', [1]).finally(() => done++)
      await new Promise((resolve) => setTimeout(resolve, 300))
      expect(done).to.equal(0)
      await set('ALTER SYSTEM RESET synchronous_standby_names')
      await writing
      const expected = [{ _id: 1, id: 1, name: 'a' }]
      expect((await reading).documents).to.deep.equal(expected)
      expect((await lookup).documents).to.deep.equal(expected)
    } finally {
      await database.run('ALTER SYSTEM RESET synchronous_commit')
      await set('ALTER SYSTEM RESET synchronous_standby_names')
      await writer.end()
    }
  }).timeout(20_000)

  for (const { mode, options } of ways) {
    it(`says that the history is lost on another timeline, as after a failover, by ${mode}${'slot' in options ? ' with a permanent slot' : ''}`, async () => {
      const adapter = await database.adapter(mode, ['users'], options, database.newPool())
      const { recorder } = await database.follow(adapter)
      await database.run("INSERT INTO users VALUES (1, 'a')")
      await recorder.until(() => recorder.changesSeen.length === 1)
      const before = recorder.position
      // A recovery to the end of what there is begins a timeline.
      await database.run("ALTER SYSTEM SET restore_command = 'false'")
      await writeFile(join(server.data ?? '', 'recovery.signal'), '')
      await server.restart?.()
      await recorder.until(() => recorder.losses.length > 0)
      expect(recorder.losses[0]?.reason).to.include('timeline')
      expect(adapter.compare(recorder.position, before)).to.satisfy(Number.isNaN)
      await database.run("INSERT INTO users VALUES (2, 'b')")
      await recorder.until(() => recorder.changesSeen.length === 2)
      const { documents, to } = await readAll(adapter, 'users')
      expect(documents).to.have.length(2)
      await recorder.reached(adapter, to)
      expect(recorder.losses).to.have.length(1)
      const again = await database.follow(adapter, before)
      expect(again.subscription.position).not.to.equal(before)
    }).timeout(40_000)
  }

  it('says what to change where the WAL is not logical, and goes by triggers where they are', async () => {
    await database.run("ALTER SYSTEM SET wal_level = 'replica'")
    await server.restart?.()
    try {
      for (const changes of ['replication', 'auto'] as const) {
        const adapter = postgres(database.newPool(), { changes })
        adapter.collection('users')
        const error: unknown = await adapter.open(new Recorder()).catch((reason: unknown) => reason)
        expect(error).to.include({ code: 'INVALID_OPTION' })
        expect(String(error))
          .to.include('wal_level = logical')
          .and.include('replica')
          .and.include('installTriggers')
      }
      await installTriggers(database.pool, ['users'])
      const adapter = postgres(database.newPool())
      adapter.collection('users')
      const { recorder } = await database.follow(adapter)
      await database.run("INSERT INTO users VALUES (1, 'a')")
      await recorder.until(() => recorder.changesSeen.length === 1)
    } finally {
      await database.run('ALTER SYSTEM RESET wal_level')
      await server.restart?.()
    }
  }).timeout(40_000)

  it('says what to run where the role may replicate, but owns no table', async () => {
    const role = `replicator_${process.pid}`
    await database.run(`CREATE ROLE ${role} LOGIN REPLICATION`, `GRANT SELECT ON users TO ${role}`)
    const url = new URL(database.url)
    url.username = role
    const open = async () => {
      const adapter = postgres(database.newPool(url.href))
      adapter.collection('users')
      return await database.follow(adapter).catch((reason: unknown) => reason as Error)
    }
    expect(String(await open())).to.include('run CREATE PUBLICATION "particle"')
    await database.run('CREATE PUBLICATION particle WITH (publish_via_partition_root = true)')
    expect(String(await open())).to.include('run ALTER PUBLICATION "particle" ADD TABLE "public"."users"')
    await database.run('ALTER PUBLICATION particle ADD TABLE users')
    const following = await open()
    if (following instanceof Error) throw following
    await database.run("INSERT INTO users VALUES (1, 'a')")
    await following.recorder.until(() => following.recorder.changesSeen.length === 1)
    const { to } = await readAll(following.adapter, 'users')
    await following.recorder.reached(following.adapter, to)
    expect(following.recorder.errors).to.deep.equal([])
  })
})
