import { type ExecFileException, execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { Client } from 'pg'
import { Server } from '../../lib/server/index.ts'
import { installTriggers, postgres } from '../../lib/source/postgres/index.ts'
import { TestDatabase } from '../source/postgres/database.ts'
import { LocalClient, until } from '../support/local.ts'
import { type PostgresServer, postgresOrSkip } from '../support/postgres.ts'

const BIN = join(import.meta.dirname, '..', '..', 'dist', 'command', 'main.js')

/** Runs the built command with nothing of this process's environment that names a database. */
async function particle(args: string[], env: Record<string, string> = {}) {
  const clean = Object.entries(process.env).filter(([name]) => !/^PG|^(?:POSTGRES|DATABASE)_URL$/.test(name))
  return await new Promise<{ code: number; out: string; error: string }>((resolve) => {
    const options = { env: { ...Object.fromEntries(clean), ...env } }
    execFile(process.execPath, [BIN, ...args], options, (failure: ExecFileException | null, out, error) =>
      resolve({ code: failure === null ? 0 : Number(failure.code), out, error }),
    )
  })
}

describe('The command particle, as it is built', () => {
  before(() => {
    if (!existsSync(BIN)) throw new Error('Build first: npm run build')
  })

  it('says how it is called', async () => {
    for (const args of [['--help'], ['postgres', 'install', '-h'], ['postgres', 'remove', '--help']]) {
      const { code, out, error } = await particle(args)
      expect([code, error]).to.deep.equal([0, ''])
      for (const part of [
        'install <table>...',
        'remove',
        '--url',
        '--grant-to',
        '--schema',
        '--rows',
        '--history',
      ])
        expect(out).to.include(part)
    }
  })

  for (const [args, message] of [
    [['redis'], 'knows the commands tail, conformance and postgres, but not redis'],
    [['postgres'], 'knows install and remove'],
    [['postgres', 'drop'], 'but not drop'],
    [['postgres', 'install'], 'takes the names of tables'],
    [['postgres', 'install', 'users', '--grant', 'app'], "unknown option '--grant'"],
    [['postgres', 'remove', '--rows', '5'], "unknown option '--rows'"],
    [['postgres', 'remove', 'users'], 'and no table: users'],
    [['postgres', 'install', 'users', '--rows', '-5'], "'--rows"],
    [['postgres', 'install', 'users', '--history', '1h'], '--history is a whole number above 0, but not 1h'],
    [['postgres', 'install', 'users', '--schema', 'a; b'], "The option 'schema' must be a name"],
    [['postgres', 'install', 'a.b.c'], 'A table is named as'],
  ] as [string[], string][]) {
    it(`refuses ${args.join(' ')}`, async () => {
      const { code, out, error } = await particle(args)
      expect([code, out]).to.deep.equal([2, ''])
      expect(error).to.include(message).and.not.include('at ')
    })
  }

  it('says where it looked for a database that is not there, and no password', async () => {
    for (const [args, env] of [
      [['--url', 'postgres://me:hidden@localhost:1/db'], {}],
      [[], { DATABASE_URL: 'postgres://me:hidden@127.0.0.1:1/db' }],
      [[], { PGHOST: '127.0.0.1', PGPORT: '1', PGPASSWORD: 'hidden' }],
    ] as [string[], Record<string, string>][]) {
      const { code, error } = await particle(['postgres', 'remove', ...args], env)
      expect(code).to.equal(1)
      expect(error).to.match(/^particle: can't connect to PostgreSQL: .*ECONNREFUSED.*--url.*\n$/)
      expect(error).to.not.include('hidden')
    }
  })

  describe('on a real server', () => {
    let server: PostgresServer
    let database: TestDatabase
    const [owner, app] = [`owner_${process.pid}`, `app_${process.pid}`]
    const as = (role: string) => Object.assign(new URL(database.url), { username: role }).href

    before(async function () {
      server = await postgresOrSkip(this)
    })
    beforeEach(async () => {
      database = await TestDatabase.create(server)
      await database.run(
        `CREATE ROLE ${owner} LOGIN`,
        `CREATE ROLE ${app} LOGIN`,
        `GRANT CREATE ON DATABASE ${new URL(database.url).pathname.slice(1)} TO ${owner}`,
        'CREATE TABLE users (id integer PRIMARY KEY, name text)',
        'CREATE SCHEMA app',
        'CREATE TABLE app.orders (id integer PRIMARY KEY, total numeric)',
        'CREATE TABLE others (id integer PRIMARY KEY)',
        `ALTER TABLE users OWNER TO ${owner}`,
        `ALTER TABLE app.orders OWNER TO ${owner}`,
        `GRANT USAGE ON SCHEMA app TO ${owner}, ${app}`,
        `GRANT SELECT ON users, app.orders TO ${app}`,
      )
    })
    afterEach(async () => {
      await database.close()
      const client = new Client(server.url)
      await client.connect()
      for (const role of [owner, app]) await client.query(`DROP ROLE IF EXISTS ${role}`)
      await client.end()
    })

    it('lets a server without the right to replicate tell of changes, until it takes the triggers away', async () => {
      const args = ['postgres', 'install', 'users', 'app.orders', '--grant-to', app, '--rows', '5000']
      const installed = await particle([...args, '--url', as(owner)])
      expect(installed.error).to.equal('')
      expect(installed.code).to.equal(0)
      expect(installed.out.split('\n')).to.deep.equal([
        `Installed in the database ${new URL(database.url).pathname.slice(1)}:`,
        '  outbox    schema particle_outbox',
        '  triggers  on users, app.orders',
        `  rights    to read the outbox: ${app}`,
        '',
      ])

      const db = postgres(database.newPool(as(app)))
      const errors: unknown[] = []
      const particleServer = new Server({
        dataSources: {
          users: { collection: db.collection('users'), manifest: { name: true } },
          orders: { collection: db.collection('app.orders'), manifest: { total: true } },
        },
        onError: (error) => errors.push(error),
      })
      try {
        const client = await LocalClient.connect(particleServer)
        await until(() => client.ready)
        await database.transaction(
          "INSERT INTO users VALUES (1, 'Ada')",
          'INSERT INTO app.orders VALUES (7, 1.50)',
        )
        await until(() => client.model.orders?.length === 1)
        expect(client.model).to.deep.equal({
          users: [{ _id: 1, name: 'Ada' }],
          orders: [{ _id: 7, total: '1.50' }],
        })
        expect(errors).to.deep.equal([])
      } finally {
        await particleServer.disconnect()
      }

      const removed = await particle(['postgres', 'remove'], { POSTGRES_URL: as(owner) })
      expect([removed.code, removed.error]).to.deep.equal([0, ''])
      expect(removed.out.split('\n').slice(1)).to.deep.equal([
        '  outbox    schema particle_outbox',
        '  triggers  on app.orders, users',
        '',
      ])
      await database.run("INSERT INTO users VALUES (2, 'Bob')")
      const { rows } = await database.pool.query(
        "SELECT (SELECT count(*)::int FROM pg_trigger WHERE tgname LIKE 'particle%') AS triggers, to_regnamespace('particle_outbox') AS schema",
      )
      expect(rows).to.deep.equal([{ triggers: 0, schema: null }])
      const again = await particle(['postgres', 'remove'], { DATABASE_URL: as(owner) })
      expect([again.code, again.out]).to.deep.equal([
        0,
        `There is no outbox particle_outbox in the database ${new URL(database.url).pathname.slice(1)}: nothing to remove.\n`,
      ])
    })

    it('adds tables to an outbox that is there, and leaves as it is what it is not told of', async () => {
      await installTriggers(database.pool, ['others'], { rows: 77, schema: 'box' })
      const { hostname, port, pathname, username } = new URL(database.url)
      const env = { PGHOST: hostname, PGPORT: port, PGDATABASE: pathname.slice(1), PGUSER: username }
      const { out, code } = await particle(
        ['postgres', 'install', 'users', 'users', '--schema', 'box', '--history', '1000'],
        env,
      )
      expect(code).to.equal(0)
      expect(out.split('\n').slice(1, -1)).to.deep.equal([
        '  outbox    schema box, which was there',
        '  triggers  on users; there were some on others',
      ])
      const { rows } = await database.pool.query(
        'SELECT keep_rows::int AS rows, keep::text AS history FROM box.meta',
      )
      expect(rows).to.deep.equal([{ rows: 77, history: '00:00:01' }])
    })

    for (const [args, message] of [
      [['install', 'missing'], 'relation "public.missing" does not exist'],
      [['install', 'users', 'others'], "permission denied for table others: run it as the tables' owner"],
      [['install', 'users', '--grant-to', 'nobody_here'], 'role "nobody_here" does not exist'],
    ] as [string[], string][]) {
      it(`says what the server refused, and then installs nothing: ${args.join(' ')}`, async () => {
        const { code, out, error } = await particle(['postgres', ...args, '--url', as(owner)])
        expect([code, out]).to.deep.equal([1, ''])
        expect(error).to.include(message)
        const { rows } = await database.pool.query("SELECT to_regnamespace('particle_outbox') AS schema")
        expect(rows).to.deep.equal([{ schema: null }])
      })
    }

    it('leaves a schema alone that holds other tables', async () => {
      for (const args of [['remove'], ['install', 'users']]) {
        const { code, error } = await particle([
          'postgres',
          ...args,
          '--schema',
          'app',
          '--url',
          database.url,
        ])
        expect(code).to.equal(2)
        expect(error).to.include('The schema app contains orders')
      }
      expect((await database.pool.query('SELECT count(*)::int AS count FROM app.orders')).rows).to.deep.equal(
        [{ count: 0 }],
      )
    })
  })
})
