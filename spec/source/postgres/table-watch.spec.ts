import { expect } from 'chai'
import { Server } from '../../../lib/server/index.ts'
import { installTriggers, postgres } from '../../../lib/source/postgres/index.ts'
import { LocalClient, until } from '../../support/local.ts'
import { type PostgresServer, postgresOrSkip } from '../../support/postgres.ts'
import { Recorder, readAll } from '../mongo/fold.ts'
import { MODES, TestDatabase } from './database.ts'

describe('source/postgres/table-watch on a real server', () => {
  let server: PostgresServer
  let database: TestDatabase

  before(async function () {
    server = await postgresOrSkip(this)
  })

  beforeEach(async () => {
    database = await TestDatabase.create(server)
  })

  afterEach(() => database.close())

  const reloads = (recorder: Recorder) => recorder.changesSeen.filter(({ kind }) => kind === 'reload').length

  const textOf = (documents: readonly object[]) =>
    documents
      .map((one) => JSON.stringify(one))
      .sort()
      .join()

  const PARTITIONS = [
    'CREATE TABLE events (id integer PRIMARY KEY, note text) PARTITION BY RANGE (id)',
    'CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10)',
    'CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (100) PARTITION BY RANGE (id)',
    'CREATE TABLE events_3 PARTITION OF events_2 FOR VALUES FROM (10) TO (20)',
    "INSERT INTO events VALUES (1, 'a'), (11, 'b')",
  ]

  for (const mode of MODES) {
    describe(`by ${mode}`, () => {
      for (const [what, statements, table, prepared = []] of [
        ['a partition is emptied', ['TRUNCATE events_1'], 'events'],
        ['a partition of a partition is emptied', ['TRUNCATE events_3'], 'events'],
        ['a partition is detached', ['ALTER TABLE events DETACH PARTITION events_1'], 'events'],
        ['a partition is dropped', ['DROP TABLE events_1'], 'events'],
        [
          'a partition with rows is attached',
          ['ALTER TABLE events ATTACH PARTITION late FOR VALUES FROM (100) TO (200)'],
          'events',
          ['CREATE TABLE late (LIKE events INCLUDING ALL)', "INSERT INTO late VALUES (101, 'c')"],
        ],
        ['a value of an enum is renamed', ["ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'"], 'people'],
        ['a composite type gets an attribute', ['ALTER TYPE place ADD ATTRIBUTE z integer'], 'people'],
        [
          'a column is written anew with the same type',
          ['ALTER TABLE people ALTER name TYPE text USING upper(name)'],
          'people',
        ],
        [
          'a partition was written to while it was detached',
          [
            'ALTER TABLE events DETACH PARTITION events_1',
            "UPDATE events_1 SET note = 'x'",
            'ALTER TABLE events ATTACH PARTITION events_1 FOR VALUES FROM (0) TO (10)',
          ],
          'events',
        ],
        [
          'it was written to under another name',
          [
            'ALTER TABLE people RENAME TO persons',
            "UPDATE persons SET name = 'x'",
            'ALTER TABLE persons RENAME TO people',
          ],
          'people',
        ],
        [
          'it was written to in another schema',
          [
            'CREATE SCHEMA other; ALTER TABLE people SET SCHEMA other',
            "UPDATE other.people SET name = 'x'",
            'ALTER TABLE other.people SET SCHEMA public',
          ],
          'people',
        ],
        [
          'two columns change their names',
          [
            'ALTER TABLE people RENAME name TO other',
            'ALTER TABLE people RENAME alias TO name',
            'ALTER TABLE people RENAME other TO alias',
          ],
          'people',
        ],
        [
          'a column is replaced by another one of its name and type',
          ["ALTER TABLE people DROP name, ADD name text DEFAULT 'new'"],
          'people',
        ],
        ['a column becomes shorter', ['ALTER TABLE people ALTER price TYPE numeric(10, 1)'], 'people'],
      ] as [string, string[], string, string[]?][]) {
        it(`reads a table again when ${what}`, async () => {
          await database.run(
            ...PARTITIONS,
            "CREATE TYPE mood AS ENUM ('sad', 'ok')",
            'CREATE TYPE place AS (x integer, y integer)',
            'CREATE TABLE people (id integer PRIMARY KEY, mood mood[], place place, name text, price numeric(10, 2), alias text)',
            "INSERT INTO people VALUES (1, '{sad}', '(1,2)', 'ada', 1.25, 'al')",
            ...prepared,
          )
          const adapter = await database.adapter(mode, [table])
          const errors: unknown[] = []
          const particle = new Server({
            dataSources: { rows: { manifest: true, collection: adapter.collection(table) } },
            onError: (error) => void errors.push(error),
          })
          try {
            const client = await LocalClient.connect(particle)
            await until(() => client.ready)
            const before = textOf(client.model.rows ?? [])
            await database.run(...statements)
            const { documents } = await readAll(adapter, table)
            expect(textOf(documents)).not.to.equal(before)
            await until(
              () => client.ready && textOf(client.model.rows ?? []) === textOf(documents),
              'the client has what SELECT gives',
            )
            expect(errors).to.deep.equal([])
          } finally {
            await particle.disconnect()
          }
        })
      }

      it('does not read a table again while nothing happens to it', async () => {
        await database.run(...PARTITIONS)
        const { recorder } = await database.follow(await database.adapter(mode, ['events']))
        await database.run(
          "UPDATE events SET note = 'x'",
          'ANALYZE events',
          'VACUUM (FREEZE, ANALYZE) events_1',
          'CREATE INDEX ON events (note)',
        )
        await recorder.until(() => recorder.changesSeen.length >= 2)
        // Each look reports nothing: several of them pass.
        await new Promise((resolve) => setTimeout(resolve, 1000))
        expect(reloads(recorder)).to.equal(0)
        expect(recorder.errors).to.deep.equal([])
      })

      it('shows a table without the rows of those that inherit from it', async () => {
        await database.run(
          'CREATE TABLE users (id integer PRIMARY KEY)',
          'CREATE TABLE staff (PRIMARY KEY (id)) INHERITS (users)',
          'INSERT INTO users VALUES (1)',
          'INSERT INTO staff VALUES (2)',
        )
        const { adapter, recorder } = await database.follow(await database.adapter(mode, ['users', 'staff']))
        expect((await readAll(adapter, 'users')).documents).to.deep.equal([{ _id: 1, id: 1 }])
        expect((await adapter.lookup('users', [1, 2])).documents).to.deep.equal([{ _id: 1, id: 1 }])
        expect((await readAll(adapter, 'staff')).documents).to.deep.equal([{ _id: 2, id: 2 }])
        await database.run('UPDATE users SET id = id + 10')
        await recorder.until(() => recorder.changesSeen.length >= 4)
        const told = recorder.changesSeen.map(
          (change) => `${change.collection} ${'id' in change && change.id}`,
        )
        expect(told).to.have.members(['users 1', 'users 11', 'staff 2', 'staff 12'])
      })

      describe('as a role that owns nothing', () => {
        const role = `${mode}_reader_${process.pid}`

        async function asRole(tables: string[]) {
          await database.run(
            `CREATE ROLE ${role} LOGIN ${mode === 'replication' ? 'REPLICATION' : ''}`,
            `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`,
          )
          await database.adapter(mode, tables, {}, database.newPool())
          if (mode === 'triggers') {
            await database.run(
              `GRANT USAGE ON SCHEMA particle_outbox TO ${role}`,
              `GRANT SELECT ON ALL TABLES IN SCHEMA particle_outbox TO ${role}`,
              `GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA particle_outbox TO ${role}`,
            )
          } else {
            await database.run(
              `CREATE PUBLICATION particle FOR TABLE ${tables.join()} WITH (publish_via_partition_root = true)`,
            )
          }
          const url = Object.assign(new URL(database.url), { username: role }).href
          const adapter = postgres(database.newPool(url), {
            changes: mode,
            checkInterval: 100,
          })
          const errors: string[] = []
          const collections = tables.map((table) => [
            table,
            { manifest: true, collection: adapter.collection(table) } as const,
          ])
          const particle = new Server({
            dataSources: Object.fromEntries(collections),
            onError: (error) => void errors.push(String(error)),
          })
          return { adapter, particle, errors }
        }

        afterEach(async () => {
          await database.run(`DROP OWNED BY ${role}`, `DROP ROLE ${role}`).catch(() => {})
        })

        beforeEach(async () => {
          await database.run(
            'CREATE TABLE users (id integer PRIMARY KEY, secret text)',
            'CREATE TABLE teams (id integer PRIMARY KEY)',
            "INSERT INTO users VALUES (1, 'x')",
            'INSERT INTO teams VALUES (1)',
          )
        })

        for (const [what, refuse, sentence, mend] of [
          [
            'row-level security applies',
            'ALTER TABLE users ENABLE ROW LEVEL SECURITY',
            `ALTER ROLE "${role}" BYPASSRLS`,
            `ALTER ROLE ${role} BYPASSRLS`,
          ],
          [
            'a column may not be read',
            `REVOKE SELECT ON users FROM ${role}; GRANT SELECT (id) ON users TO ${role}`,
            `GRANT SELECT ("secret") ON "public"."users" TO "${role}"`,
            `GRANT SELECT (secret) ON users TO ${role}`,
          ],
        ] as const) {
          it(`stops telling of a table from when ${what}, says why, and goes on once it is mended`, async () => {
            const { particle, errors } = await asRole(['users', 'teams'])
            try {
              const client = await LocalClient.connect(particle)
              await until(() => client.ready)
              expect(client.model.users).to.have.length(1)
              await database.run(refuse)
              await until(() => client.of('error').some(({ data }) => data.root === 'users'))
              expect(errors.join()).to.include(sentence)
              const seen = client.events.length
              await database.run("INSERT INTO users VALUES (2, 'y')", 'INSERT INTO teams VALUES (2)')
              await until(() => client.model.teams?.length === 2)
              const told = client.events
                .slice(seen)
                .filter(({ name }) => name === 'delta' || name === 'payload')
              expect(told.map(({ data }) => data.root)).to.deep.equal(['teams'])
              await database.run(mend)
              await until(() => client.model.users?.length === 2 && client.ready, 'it goes on', 15_000)
              await database.run("INSERT INTO users VALUES (3, 'z')")
              await until(() => client.model.users?.length === 3)
            } finally {
              await particle.disconnect()
            }
          }).timeout(30_000)

          it(`refuses a table to which ${what} when it is opened, and serves the others`, async () => {
            const { particle, errors } = await asRole(['users', 'teams'])
            try {
              await database.run(refuse)
              const client = await LocalClient.connect(particle)
              await until(() => client.model.teams?.length === 1)
              await until(() => client.of('error').length > 0)
              expect(client.of('error')[0]?.data).to.include({ root: 'users', code: 'SOURCE_FAILED' })
              expect(errors.join()).to.include(sentence)
              await database.run(mend)
              await until(() => client.model.users?.length === 1 && client.ready, 'it goes on', 15_000)
              await database.run("INSERT INTO users VALUES (3, 'z')")
              await until(() => client.model.users?.length === 2)
            } finally {
              await particle.disconnect()
            }
          }).timeout(30_000)
        }
      })

      for (const [what, statement, sentence] of [
        [
          'a view',
          'CREATE VIEW odd AS SELECT * FROM users',
          'is a view, whose changes PostgreSQL does not report',
        ],
        [
          'a materialized view',
          'CREATE MATERIALIZED VIEW odd AS SELECT * FROM users',
          'a materialized view, whose changes',
        ],
        ['an unlogged table', 'CREATE UNLOGGED TABLE odd (id integer PRIMARY KEY)', 'SET LOGGED'],
        [
          'a foreign table',
          'CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER far FOREIGN DATA WRAPPER nothing; CREATE FOREIGN TABLE odd (id integer) SERVER far',
          'a foreign table',
        ],
        [
          'a table with an unlogged partition',
          'CREATE TABLE odd (id integer PRIMARY KEY) PARTITION BY RANGE (id); CREATE UNLOGGED TABLE part PARTITION OF odd DEFAULT',
          'The table part is UNLOGGED',
        ],
        [
          'a table with a column _id that is not the key',
          'CREATE TABLE odd (id integer PRIMARY KEY, _id text)',
          'has a column _id that is not its primary key',
        ],
      ] as const) {
        it(`refuses ${what}: its root gets an error, and the others go on`, async () => {
          await database.run('CREATE TABLE users (id integer PRIMARY KEY)', statement)
          const adapter = await database.adapter(mode, ['users'])
          const errors: string[] = []
          const particle = new Server({
            dataSources: {
              users: { manifest: true, collection: adapter.collection('users') },
              odd: { manifest: true, collection: adapter.collection('odd') },
            },
            onError: (error) => void errors.push(String(error)),
          })
          try {
            const client = await LocalClient.connect(particle)
            await until(() => client.of('error').length > 0 && client.model.users !== undefined)
            expect(client.of('error').map(({ data }) => data.root))
              .to.include('odd')
              .and.not.include('users')
            expect(errors.join()).to.include(sentence)
            await database.run('INSERT INTO users VALUES (1)')
            await until(() => client.model.users?.length === 1)
            expect(client.model.odd).to.equal(undefined)
          } finally {
            await particle.disconnect()
          }
        })
      }
    })
  }

  it('looks at a table as soon as the stream describes it anew', async () => {
    await database.run(
      'CREATE TABLE users (id integer PRIMARY KEY, name text)',
      "INSERT INTO users VALUES (1, 'a')",
    )
    const adapter = await database.adapter('replication', ['users'], { checkInterval: 600_000 })
    const { recorder } = await database.follow(adapter)
    await database.run('ALTER TABLE users ALTER name TYPE text USING upper(name)')
    await database.run("INSERT INTO users VALUES (2, 'b')")
    await recorder.until(() => reloads(recorder) === 1)
  })

  it('publishes a table again that was taken out of the publication, and reads it again', async () => {
    await database.run('CREATE TABLE users (id integer PRIMARY KEY)')
    const { recorder } = await database.follow(await database.adapter('replication', ['users']))
    await database.run('ALTER PUBLICATION particle DROP TABLE users', 'INSERT INTO users VALUES (1)')
    await recorder.until(() => reloads(recorder) === 1)
    await database.run('INSERT INTO users VALUES (2)')
    await recorder.until(() => recorder.changesSeen.length >= 2)
    expect(recorder.changesSeen.map((change) => 'id' in change && change.id)).to.deep.equal([false, 2])
    expect(recorder.errors).to.deep.equal([])
  })

  for (const [what, away, back] of [
    ['published no updates', "publish = 'insert'", "publish = 'insert, update, delete, truncate'"],
    ['published partitions', 'publish_via_partition_root = false', 'publish_via_partition_root = true'],
  ]) {
    it(`reads a table again when the publication ${what} for a moment`, async () => {
      await database.run(...PARTITIONS)
      const { recorder } = await database.follow(await database.adapter('replication', ['events']))
      await database.run(
        `ALTER PUBLICATION particle SET (${away})`,
        "UPDATE events SET note = 'x'",
        `ALTER PUBLICATION particle SET (${back})`,
      )
      await recorder.until(() => reloads(recorder) >= 1)
    })
  }

  it('reads tables again when their schema was taken out of the publication for a moment', async () => {
    await database.run(
      'CREATE TABLE users (id integer PRIMARY KEY)',
      'CREATE PUBLICATION particle FOR TABLES IN SCHEMA public WITH (publish_via_partition_root = true)',
    )
    const { recorder } = await database.follow(await database.adapter('replication', ['users']))
    await database.run(
      'ALTER PUBLICATION particle DROP TABLES IN SCHEMA public',
      'INSERT INTO users VALUES (1)',
      'ALTER PUBLICATION particle ADD TABLES IN SCHEMA public',
    )
    await recorder.until(() => reloads(recorder) >= 1)
  })

  it('refuses a partition beside its table, because its changes are published as those of the table', async () => {
    await database.run(...PARTITIONS)
    const adapter = await database.adapter('replication', ['events', 'events_1'])
    await database.follow(adapter)
    const error: unknown = await readAll(adapter, 'events_1').catch((reason: unknown) => reason)
    expect(String(error)).to.include('show events instead, with a criteria')
    expect((await readAll(adapter, 'events')).documents).to.have.length(2)
  })

  for (const tables of [
    ['events', 'events_1'],
    ['events_1', 'events'],
  ]) {
    it(`refuses to install triggers on ${tables.join(' and then ')}`, async () => {
      await database.run(...PARTITIONS)
      const error: unknown = await installTriggers(database.pool, tables).catch((reason: unknown) => reason)
      expect(error).to.include({ code: 'INVALID_OPTION' })
      expect(String(error)).to.include("A table and a partition of it can't both have triggers")
    })
  }

  it('refuses a table with a partition whose rows another index than the key identifies', async () => {
    await database.run(
      ...PARTITIONS,
      'ALTER TABLE events_1 ALTER note SET NOT NULL',
      'CREATE UNIQUE INDEX notes ON events_1 (note)',
      'ALTER TABLE events_1 REPLICA IDENTITY USING INDEX notes',
    )
    const adapter = await database.adapter('replication', ['events'])
    const error: unknown = await adapter.open(new Recorder()).catch((reason: unknown) => reason)
    expect(String(error)).to.include('ALTER TABLE "public"."events_1" REPLICA IDENTITY DEFAULT')
  })

  it('stops telling of a table that gets REPLICA IDENTITY NOTHING, and says why', async () => {
    await database.run('CREATE TABLE users (id integer PRIMARY KEY)')
    const { adapter, recorder } = await database.follow(await database.adapter('replication', ['users']))
    await database.run('ALTER TABLE users REPLICA IDENTITY NOTHING')
    await recorder.until(() => reloads(recorder) === 1)
    const error: unknown = await readAll(adapter, 'users').catch((reason: unknown) => reason)
    expect(String(error)).to.include('ALTER TABLE "public"."users" REPLICA IDENTITY DEFAULT')
    await database.run('INSERT INTO users VALUES (1)', 'ALTER TABLE users REPLICA IDENTITY FULL')
    await recorder.until(() => reloads(recorder) === 2)
    expect(recorder.changesSeen).to.have.length(2)
    expect((await readAll(adapter, 'users')).documents).to.deep.equal([{ _id: 1, id: 1 }])
  })

  it('records what is written under session_replication_role = replica', async () => {
    await database.run(...PARTITIONS)
    const { recorder } = await database.follow(await database.adapter('triggers', ['events']))
    await database.transaction(
      'SET LOCAL session_replication_role = replica',
      "INSERT INTO events VALUES (2, 'x'), (12, 'y')",
    )
    await database.run(
      'CREATE TABLE late PARTITION OF events FOR VALUES FROM (100) TO (200)',
      "SET session_replication_role = replica; INSERT INTO events VALUES (101, 'z'); RESET session_replication_role",
    )
    await recorder.until(() => recorder.changesSeen.filter((change) => 'id' in change).length >= 3)
    const ids = recorder.changesSeen.flatMap((change) => ('id' in change ? [change.id] : []))
    expect(ids).to.deep.equal([2, 12, 101])
  })

  it('reads a table again whose triggers were switched off, as by a restore, and says how to switch them on', async () => {
    await database.run('CREATE TABLE users (id integer PRIMARY KEY)')
    const { adapter, recorder } = await database.follow(await database.adapter('triggers', ['users']))
    // Answers the announcement only after the read that follows it, as a busy machine may.
    let answer = () => {}
    const isRead = new Promise<void>((resolve) => {
      answer = resolve
    })
    const run = database.pool.query.bind(database.pool) as (...given: unknown[]) => Promise<unknown>
    database.pool.query = (async (...given: unknown[]) => {
      const result = await run(...given)
      if (String(given[0]).includes('.reshape(')) await isRead
      return result
    }) as never
    await database.transaction(
      'ALTER TABLE users DISABLE TRIGGER ALL',
      'INSERT INTO users VALUES (1)',
      'ALTER TABLE users ENABLE TRIGGER ALL',
    )
    await recorder.until(() => reloads(recorder) === 1)
    const error: unknown = await readAll(adapter, 'users').catch((reason: unknown) => reason)
    answer()
    expect(String(error)).to.include('ALTER TABLE "public"."users" ENABLE ALWAYS TRIGGER particle_record')
    await database.adapter('triggers', ['users'])
    expect((await readAll(adapter, 'users')).documents).to.deep.equal([{ _id: 1, id: 1 }])
    await recorder.until(() => reloads(recorder) === 2)
  })
})
