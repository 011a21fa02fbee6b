import { expect } from 'chai'
import { ParticleError } from '../../../lib/errors.ts'
import { postgres } from '../../../lib/source/postgres/index.ts'
import type { Change } from '../../../lib/source/source.ts'
import { Copy, type Recorder, readAll } from '../mongo/fold.ts'
import { eachDatabase, MODES, type TestDatabase } from './database.ts'

describe('source/postgres/adapter on a real server', () => {
  let database: TestDatabase

  eachDatabase((fresh) => {
    database = fresh
  })

  const kinds = (recorder: Recorder) =>
    recorder.changesSeen.map(
      (change) => `${change.kind} ${'id' in change ? JSON.stringify(change.id) : change.collection}`,
    )

  async function refusal(promise: Promise<unknown>): Promise<string> {
    const error: unknown = await promise.catch((reason: unknown) => reason)
    expect(error).to.be.instanceOf(ParticleError)
    expect(error).to.include({ code: 'INVALID_OPTION' })
    return (error as Error).message
  }

  for (const mode of MODES) {
    describe(`by ${mode}`, () => {
      async function following(tables: string[]) {
        const adapter = await database.adapter(mode, tables)
        return await database.follow(adapter)
      }

      it('tells columns as fields, and the key as the _id', async () => {
        await database.run(
          'CREATE TABLE users (id integer PRIMARY KEY, name text, tags text[])',
          'ALTER TABLE users REPLICA IDENTITY FULL',
        )
        const { recorder } = await following(['users'])
        await database.run(
          `INSERT INTO users VALUES (1, 'Ada', '{x}')`,
          `UPDATE users SET name = 'Bo'`,
          'UPDATE users SET tags = tags',
          'DELETE FROM users',
        )
        await recorder.until(() => recorder.changesSeen.length >= 3)
        const whole = { _id: 1, id: 1, name: 'Ada', tags: ['x'] }
        const renamed = { ...whole, name: 'Bo' }
        const told = recorder.changesSeen.map(
          ({ position: _, timestamp: __, transaction: ___, ...rest }) => rest,
        )
        expect(told).to.deep.equal([
          {
            kind: 'insert',
            collection: 'users',
            id: 1,
            operations: [{ operation: 'set', path: '.', data: whole }],
            document: whole,
          },
          {
            kind: 'update',
            collection: 'users',
            id: 1,
            operations: [{ operation: 'set', path: 'name', data: 'Bo' }],
            before: whole,
            document: renamed,
          },
          {
            kind: 'delete',
            collection: 'users',
            id: 1,
            operations: [{ operation: 'unset', path: '.' }],
            before: renamed,
          },
        ])
      })

      it('makes objects of keys of several columns', async () => {
        await database.run('CREATE TABLE links (b text, a integer, note text, PRIMARY KEY (a, b))')
        const { adapter, recorder } = await following(['links'])
        await database.run(
          `INSERT INTO links VALUES ('x', 1, 'one'), ('y', 1, 'two')`,
          `UPDATE links SET note = 'three' WHERE b = 'x'`,
          `DELETE FROM links WHERE b = 'y'`,
        )
        await recorder.until(() => recorder.changesSeen.length >= 4)
        expect(kinds(recorder)).to.deep.equal([
          'insert {"a":1,"b":"x"}',
          'insert {"a":1,"b":"y"}',
          'update {"a":1,"b":"x"}',
          'delete {"a":1,"b":"y"}',
        ])
        const document = { _id: { a: 1, b: 'x' }, a: 1, b: 'x', note: 'three' }
        expect((await readAll(adapter, 'links')).documents).to.deep.equal([document])
        expect(
          (await adapter.lookup('links', [{ b: 'x', a: 1 }, { a: 1, b: 'y' }, 1])).documents,
        ).to.deep.equal([document])
      })

      it('tells a new key as a delete and an insert, at once', async () => {
        await database.run(
          'CREATE TABLE users (id integer PRIMARY KEY, name text)',
          `INSERT INTO users VALUES (1, 'Ada')`,
        )
        const { adapter, recorder } = await following(['users'])
        await database.run('UPDATE users SET id = 2')
        await recorder.until(() => recorder.changesSeen.length >= 2)
        expect(kinds(recorder)).to.deep.equal(['delete 1', 'insert 2'])
        const [gone, come] = recorder.changesSeen
        expect(gone?.transaction).to.equal(come?.transaction)
        expect(adapter.compare(gone?.position ?? '', come?.position ?? '')).to.be.below(0)
        expect(come && 'document' in come && come.document).to.deep.equal({ _id: 2, id: 2, name: 'Ada' })
      })

      it('tells all of a transaction at once, in its order, and nothing that was rolled back', async () => {
        await database.run(
          'CREATE TABLE a (id integer PRIMARY KEY)',
          'CREATE TABLE b (id integer PRIMARY KEY)',
        )
        const { recorder } = await following(['a', 'b'])
        const batches: number[] = []
        const { changes } = recorder
        recorder.changes = (told: readonly Change[], position: string) => {
          batches.push(told.length)
          changes.call(recorder, told, position)
        }
        await database.transaction(
          'INSERT INTO a VALUES (9)',
          'ROLLBACK',
          'BEGIN',
          'INSERT INTO a VALUES (8)',
          'ROLLBACK',
          'BEGIN',
        )
        await database.transaction(
          'SAVEPOINT s',
          'INSERT INTO a VALUES (7)',
          'ROLLBACK TO s',
          'INSERT INTO a VALUES (1)',
          'INSERT INTO b VALUES (1)',
          'SAVEPOINT t',
          'INSERT INTO a VALUES (2)',
          'RELEASE t',
          'DELETE FROM b',
        )
        await database.run('INSERT INTO a VALUES (3)')
        await recorder.until(() => recorder.changesSeen.length >= 5)
        expect(recorder.changesSeen.map(({ kind, collection }) => `${kind} ${collection}`)).to.deep.equal([
          'insert a',
          'insert b',
          'insert a',
          'delete b',
          'insert a',
        ])
        expect(new Set(recorder.changesSeen.slice(0, 4).map(({ transaction }) => transaction)).size).to.equal(
          1,
        )
        expect(recorder.changesSeen[4]?.transaction).not.to.equal(recorder.changesSeen[0]?.transaction)
        // By triggers, transactions that came at once may be told in one call; none is told in two.
        expect(batches.reduce((sum, count) => sum + count, 0)).to.equal(5)
        expect(batches[0]).to.be.at.least(4)
      })

      it('tells TRUNCATE as a clearing of each table', async () => {
        await database.run(
          'CREATE TABLE a (id integer PRIMARY KEY)',
          'CREATE TABLE b (id integer PRIMARY KEY REFERENCES a)',
          'INSERT INTO a VALUES (1)',
        )
        const { adapter, recorder } = await following(['a', 'b'])
        await database.transaction(
          'INSERT INTO a VALUES (2)',
          'TRUNCATE a CASCADE',
          'INSERT INTO a VALUES (3)',
        )
        await recorder.until(() => recorder.changesSeen.length >= 4)
        expect(kinds(recorder).sort()).to.deep.equal(['clear a', 'clear b', 'insert 2', 'insert 3'])
        const copy = new Copy()
        copy.fill('a', [{ _id: 1, id: 1 }])
        copy.apply(recorder.changesSeen)
        expect(copy.sorted('a')).to.deep.equal((await readAll(adapter, 'a')).documents)
      })

      for (const [what, statement, expected] of [
        [
          'a column is added',
          `ALTER TABLE users ADD COLUMN age integer DEFAULT 30`,
          { name: 'Ada', age: 30 },
        ],
        ['a column is renamed', `ALTER TABLE users RENAME COLUMN name TO title`, { title: 'Ada' }],
        ['a column is dropped', `ALTER TABLE users DROP COLUMN name`, {}],
        [
          'a type is changed',
          `ALTER TABLE users ALTER COLUMN name TYPE text[] USING ARRAY[name]`,
          { name: ['Ada'] },
        ],
        [
          'the key is another one',
          `ALTER TABLE users DROP CONSTRAINT users_pkey, ADD PRIMARY KEY (name)`,
          { _id: 'Ada', name: 'Ada' },
        ],
      ] as const) {
        it(`reloads when ${what}, also where nothing is written then`, async () => {
          await database.run(
            'CREATE TABLE users (id integer PRIMARY KEY, name text)',
            `INSERT INTO users VALUES (1, 'Ada')`,
          )
          const { adapter, recorder } = await following(['users'])
          await database.run(statement)
          await recorder.until(() => kinds(recorder).includes('reload users'))
          expect((await readAll(adapter, 'users')).documents).to.deep.equal([{ _id: 1, id: 1, ...expected }])
          await database
            .run('INSERT INTO users SELECT (jsonb_populate_record(users, \'{"id": 2}\')).* FROM users')
            .catch(() => database.run(`INSERT INTO users VALUES (2, 'Bo')`))
          await recorder.until(() => recorder.changesSeen.at(-1)?.kind === 'insert')
          expect(kinds(recorder)).to.have.length(2)
          expect(recorder.errors).to.deep.equal([])
        })
      }

      it('tells each of several listeners of an altered table', async () => {
        await database.run('CREATE TABLE users (id integer PRIMARY KEY)')
        const { adapter, recorder } = await following(['users'])
        const other = await database.follow(adapter)
        await database.run('ALTER TABLE users ADD COLUMN age integer', 'INSERT INTO users VALUES (1)')
        for (const one of [recorder, other.recorder]) {
          await one.until(() => one.changesSeen.length >= 2)
          expect(kinds(one)).to.deep.equal(['reload users', 'insert 1'])
        }
      })

      it('reloads with the first change after a table was altered', async () => {
        await database.run('CREATE TABLE users (id integer PRIMARY KEY)', 'INSERT INTO users VALUES (1)')
        const { recorder } = await following(['users'])
        await database.transaction(
          'ALTER TABLE users ADD COLUMN age integer DEFAULT 30',
          'INSERT INTO users VALUES (2)',
          'ALTER TABLE users ADD COLUMN size integer',
          'INSERT INTO users VALUES (3)',
        )
        await recorder.until(() => recorder.changesSeen.length >= 4)
        expect(kinds(recorder)).to.deep.equal(['reload users', 'insert 2', 'reload users', 'insert 3'])
      })

      for (const [what, ...statements] of [
        ['the key’s column has another name', 'ALTER TABLE users RENAME COLUMN id TO number'],
        [
          'another column is the key, and the former one is gone',
          'ALTER TABLE users ADD COLUMN number integer',
          'UPDATE users SET number = id',
          'ALTER TABLE users DROP COLUMN id, ADD PRIMARY KEY (number)',
        ],
      ]) {
        it(`never tells of a row by a wrong _id where ${what}`, async () => {
          await database.run('CREATE TABLE users (id integer PRIMARY KEY)', 'INSERT INTO users VALUES (1)')
          const { adapter, recorder } = await following(['users'])
          await database.transaction(...statements, 'INSERT INTO users (number) VALUES (2)')
          await database.run('INSERT INTO users (number) VALUES (3)', 'DELETE FROM users WHERE number = 1')
          await recorder.until(() => kinds(recorder).includes('reload users'))
          await new Promise((resolve) => setTimeout(resolve, 500))
          await database.run('INSERT INTO users (number) VALUES (4)')
          await recorder.until(() => kinds(recorder).includes('insert 4'))
          expect(kinds(recorder).filter((kind) => !/^(reload users|\w+ [1234])$/.test(kind))).to.deep.equal(
            [],
          )
          const documents = [2, 3, 4].map((number) => ({ _id: number, number }))
          expect((await readAll(adapter, 'users')).documents).to.deep.equal(documents)
          expect(recorder.errors).to.deep.equal([])
        })
      }

      it('tells an update of some columns by these alone, where it knows the row before', async () => {
        await database.run(
          'CREATE TABLE users (id integer PRIMARY KEY, name text, secret text, data jsonb)',
          `INSERT INTO users VALUES (1, 'Ada', 'x', '{"open": 1, "hidden": 1}')`,
          ...(mode === 'replication' ? ['ALTER TABLE users REPLICA IDENTITY FULL'] : []),
        )
        const { recorder } = await following(['users'])
        await database.run(
          `UPDATE users SET name = 'Ada', secret = 'y'`,
          `UPDATE users SET data = data || '{"hidden": 2}'`,
        )
        await recorder.until(() => recorder.changesSeen.length >= 2)
        const paths = recorder.changesSeen.map(
          (change) => 'operations' in change && change.operations.map(({ path }) => path),
        )
        expect(paths).to.deep.equal([['secret'], ['data.hidden']])
      })

      it('keeps integers within jsonb that a number would round, read, told, looked for and sorted', async () => {
        await database.run(
          'CREATE TABLE items (id integer PRIMARY KEY, doc jsonb)',
          `INSERT INTO items VALUES (1, '{"n": 9007199254740993, "s": "9007199254740995 \\" 9007199254740997"}')`,
          `INSERT INTO items VALUES (2, '{"n": 9007199254740991}'), (3, '{"n": "9007199254740993"}')`,
        )
        if (mode === 'triggers') await database.adapter(mode, ['items'])
        const adapter = await database.adapter(mode, [], {}, database.newPool())
        adapter.collection('items', { document: 'doc' })
        const { recorder } = await database.follow(adapter)
        const first = { _id: 1, n: '9007199254740993', s: '9007199254740995 " 9007199254740997' }
        const { documents } = await readAll(adapter, 'items')
        expect(documents[0]).to.deep.equal(first)
        expect(documents[1]).to.deep.equal({ _id: 2, n: 9007199254740991 })
        await database.run('UPDATE items SET doc = doc WHERE id = 1', 'UPDATE items SET id = 4 WHERE id = 1')
        await recorder.until(() => recorder.changesSeen.some((change) => 'id' in change && change.id === 4))
        expect(recorder.changesSeen.at(-1)).to.deep.include({ document: { ...first, _id: 4 } })
        const found: unknown[] = []
        const take = (some: { _id?: unknown }[]) => void found.push(...some.map(({ _id }) => _id))
        await adapter.read('items', { n: '9007199254740993' }, take)
        expect(found.splice(0)).to.have.members([3, 4])
        await adapter.read('items', {}, take, {
          sort: [
            ['n', -1],
            ['_id', 1],
          ],
          limit: 2,
        })
        expect(found).to.include.members([3, 4])
      })

      it('leaves generated columns out, as logical replication does', async () => {
        await database.run(
          'CREATE TABLE users (id integer PRIMARY KEY, twice integer GENERATED ALWAYS AS (id * 2) STORED, n text)',
        )
        const { adapter, recorder } = await following(['users'])
        await database.run(`INSERT INTO users VALUES (1, DEFAULT, 'x')`)
        await recorder.until(() => recorder.changesSeen.length >= 1)
        const expected = { _id: 1, id: 1, n: 'x' }
        expect((await readAll(adapter, 'users')).documents).to.deep.equal([expected])
        expect(recorder.changesSeen[0]).to.deep.include({ document: expected })
      })

      it('takes names of any schema, with any letters', async () => {
        const names = ['app.users', '"Strange ""Name"""', 'app."a.b"', "it's"]
        await database.run(
          'CREATE SCHEMA app',
          'CREATE TABLE app.users (id integer PRIMARY KEY)',
          'CREATE TABLE "Strange ""Name""" ("the ""Key""" integer PRIMARY KEY, "a.b" integer)',
          'CREATE TABLE app."a.b" (id integer PRIMARY KEY)',
          `CREATE TABLE "it's" (id integer PRIMARY KEY)`,
        )
        const { adapter, recorder } = await following(names)
        await database.run(
          'INSERT INTO app.users VALUES (1)',
          'INSERT INTO "Strange ""Name""" VALUES (1, 2)',
          'UPDATE "Strange ""Name""" SET "a.b" = 3',
          'INSERT INTO app."a.b" VALUES (1)',
          `INSERT INTO "it's" VALUES (1)`,
        )
        await recorder.until(() => recorder.changesSeen.length >= 5)
        expect(recorder.changesSeen.map(({ collection }) => collection)).to.deep.equal([
          'app.users',
          '"Strange ""Name"""',
          '"Strange ""Name"""',
          'app."a.b"',
          "it's",
        ])
        const strange = { _id: 1, 'the "Key"': 1, 'a.b': 3 }
        expect((await readAll(adapter, '"Strange ""Name"""')).documents).to.deep.equal([strange])
        expect(recorder.changesSeen[2]).to.deep.include({
          kind: 'replace',
          operations: [{ operation: 'set', path: '.', data: strange }],
        })
        expect((await adapter.lookup('app.users', [1, 2])).documents).to.deep.equal([{ _id: 1, id: 1 }])
        expect(adapter.collection('public.users').collectionName).to.equal('users')
      })

      it('follows a partitioned table as one', async () => {
        await database.run(
          'CREATE TABLE events (id integer, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)',
          `CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')`,
          `CREATE TABLE events_2 (day date NOT NULL, id integer NOT NULL, PRIMARY KEY (id, day))`,
          `ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES FROM ('2024-02-01') TO ('2024-03-01')`,
        )
        const { adapter, recorder } = await following(['events'])
        await database.run(
          `INSERT INTO events VALUES (1, '2024-01-05'), (2, '2024-02-05')`,
          `UPDATE events SET day = '2024-02-06' WHERE id = 1`,
          'DELETE FROM events WHERE id = 2',
        )
        const { documents, to } = await readAll(adapter, 'events')
        await recorder.reached(adapter, to)
        const copy = new Copy()
        copy.apply(recorder.changesSeen)
        expect(copy.sorted('events')).to.deep.equal(documents)
        expect(kinds(recorder)).not.to.include('reload events')
        expect(documents).to.deep.equal([{ _id: { id: 1, day: '2024-02-06' }, id: 1, day: '2024-02-06' }])
      })

      it('clears a table that was dropped', async () => {
        await database.run('CREATE TABLE users (id integer PRIMARY KEY)', 'INSERT INTO users VALUES (1)')
        const { adapter, recorder } = await following(['users'])
        await database.run('DROP TABLE users')
        await recorder.until(() => kinds(recorder).includes('clear users'))
        expect((await readAll(adapter, 'users')).documents).to.deep.equal([])
      })

      it('clears a table that was given another name, and reloads where another one takes its place', async () => {
        await database.run(
          'CREATE TABLE users (id integer PRIMARY KEY)',
          'CREATE TABLE next (id integer PRIMARY KEY, name text)',
          'INSERT INTO users VALUES (1)',
        )
        const { adapter, recorder } = await following(['users', 'next'])
        await database.run('ALTER TABLE users RENAME TO former')
        await recorder.until(() => kinds(recorder).includes('clear users'))
        expect((await readAll(adapter, 'users')).documents).to.deep.equal([])
        await database.run('ALTER TABLE next RENAME TO users', "INSERT INTO users VALUES (2, 'Ada')")
        await recorder.until(() => kinds(recorder).includes('reload users'))
        expect((await readAll(adapter, 'users')).documents).to.deep.equal([{ _id: 2, id: 2, name: 'Ada' }])
        // By triggers its key is told with the next look.
        await new Promise((resolve) => setTimeout(resolve, 500))
        await database.run("INSERT INTO users VALUES (3, 'Bo')")
        await recorder.until(() => kinds(recorder).includes('insert 3'))
        const told = (id: number) => recorder.changesSeen.find((change) => 'id' in change && change.id === id)
        const inserted = { collection: 'users', document: { _id: 3, id: 3, name: 'Bo' } }
        expect(told(3)).to.deep.include(inserted)
        const swap = ['ALTER TABLE users RENAME TO last', 'ALTER TABLE former RENAME TO users']
        await database.transaction(...swap)
        await database.run('INSERT INTO last VALUES (5)', 'TRUNCATE last')
        const before = recorder.changesSeen.length
        await recorder.until(() => kinds(recorder).slice(before).includes('reload users'))
        await database.run('INSERT INTO users VALUES (4)')
        await recorder.until(() => kinds(recorder).includes('insert 4'))
        expect((await readAll(adapter, 'users')).documents).to.deep.equal(
          [1, 4].map((id) => ({ _id: id, id })),
        )
        expect(told(4)).to.deep.include({ document: { _id: 4, id: 4 } })
        const known = recorder.changesSeen.map((change) => ('id' in change ? change.id : 0))
        expect(known.filter((id) => typeof id !== 'number' || id === 5)).to.deep.equal([])
        expect(recorder.errors).to.deep.equal([])
      })

      it('refuses a table without a primary key', async () => {
        await database.run('CREATE TABLE users (id integer)')
        const adapter = await database.adapter(mode, ['users'])
        expect(await refusal(adapter.open({} as Recorder))).to.include('The table users has no primary key')
        expect(await refusal(adapter.read('users', {}, () => {}))).to.include(
          'The table users has no primary key',
        )
        expect(await database.leftovers()).to.deep.equal({ slots: 0, connections: 0 })
      })

      it('tells a missing table from an empty one', async () => {
        await database.run('CREATE TABLE users (id integer PRIMARY KEY)')
        const adapter = await database.adapter(mode, ['users'])
        expect(await adapter.read('user', {}, () => {})).to.have.property('isMissing', true)
        expect(await adapter.read('users', {}, () => {})).not.to.have.property('isMissing')
      })

      it('refuses what is no table', async () => {
        await database.run(
          'CREATE TABLE users (id integer PRIMARY KEY)',
          'CREATE VIEW v AS SELECT * FROM users',
        )
        const adapter = await database.adapter(mode, ['users'])
        expect(await refusal(adapter.read('v', {}, () => {}))).to.include('is a view')
        const views = await database.adapter(mode, [], {}, database.newPool())
        views.collection('v')
        expect(await refusal(views.open({} as Recorder))).to.include('is a view')
      })

      it('does with one connection of the pool', async () => {
        await database.run('CREATE TABLE users (id integer PRIMARY KEY)')
        const pool = database.newPool()
        pool.options.max = 1
        const adapter = await database.adapter(mode, ['users'], {}, pool)
        expect((await readAll(adapter, 'users')).documents).to.deep.equal([])
        const { recorder } = await database.follow(adapter)
        await database.run('INSERT INTO users VALUES (1)')
        const [{ to, documents }, looked] = await Promise.all([
          readAll(adapter, 'users'),
          adapter.lookup('users', [1]),
        ])
        await recorder.reached(adapter, to)
        expect([documents, looked.documents]).to.deep.equal([[{ _id: 1, id: 1 }], [{ _id: 1, id: 1 }]])
        expect(pool.totalCount).to.equal(1)
      })

      it('leaves nothing behind when it is closed, and tells nothing more', async () => {
        await database.run('CREATE TABLE users (id integer PRIMARY KEY)')
        const { adapter, recorder, subscription } = await following(['users'])
        const before = await database.leftovers()
        expect(before.connections).to.equal(1)
        await database.run('INSERT INTO users VALUES (1)')
        await recorder.until(() => recorder.changesSeen.length === 1)
        const start = Date.now()
        await subscription.close()
        await subscription.close()
        expect(Date.now() - start).to.be.below(1000)
        expect(await database.leftovers()).to.deep.equal({ slots: 0, connections: 0 })
        await database.run('INSERT INTO users VALUES (2)')
        await new Promise((resolve) => setTimeout(resolve, 500))
        expect(recorder.changesSeen).to.have.length(1)
        expect(recorder.errors).to.deep.equal([])
        expect(database.pool.idleCount).to.equal(database.pool.totalCount)
        // Opened and closed at once, too.
        for (let times = 0; times < 5; times++) await (await adapter.open(recorder)).close()
        expect(await database.leftovers()).to.deep.equal({ slots: 0, connections: 0 })
      })
    })
  }

  describe('as an object', () => {
    it('is the same for the same pool', () => {
      expect(postgres(database.pool)).to.equal(postgres(database.pool))
      expect(postgres(database.newPool())).not.to.equal(postgres(database.pool))
      const adapter = postgres(database.pool)
      expect(adapter.collection('users')).to.deep.equal({ adapter, collectionName: 'users' })
      expect(adapter.store).to.equal(`${new URL(database.url).pathname.slice(1)} particle`)
      expect(postgres(database.newPool()).store).to.equal(adapter.store)
      expect(postgres(database.newPool(), { publication: 'other' }).store).not.to.equal(adapter.store)
    })

    it('refuses what is no pool, malformed names, and options that it does not know or that contradict each other', () => {
      const { pool } = database
      expect(() => postgres({} as never)).to.throw('Pool of the pg package')
      expect(() => postgres(pool, { slots: 'x' } as object)).to.throw('slots')
      expect(() => postgres(pool, { changes: 'polling' } as object)).to.throw("'changes'")
      expect(() => postgres(pool, { changes: 'triggers', slot: 'x' })).to.throw("'slot'")
      expect(() => postgres(pool, { publication: 'a"b' })).to.throw("'publication'")
      expect(() => postgres(pool, { slotBytes: -1 })).to.throw("'slotBytes'")
      expect(() => postgres(pool, { oncePerHost: '' })).to.throw(
        'oncePerHost must be true, false or the path',
      )
      for (const name of ['', '.', 'a.', '.a', 'a.b.c', '"a', 'a"b', 'a\0', 5 as unknown as string])
        expect(() => postgres(pool).collection(name), name).to.throw('A table is named as')
      expect(() => postgres(pool).collection('users', { documents: 'x' } as object)).to.throw('documents')
      postgres(pool).collection('users', { document: 'a' })
      expect(() => postgres(pool).collection('public.users', { document: 'b' })).to.throw(
        'has other options already',
      )
    })

    it('follows by logical replication where it may', async () => {
      await database.run(
        'CREATE TABLE users (id integer PRIMARY KEY)',
        'CREATE UNLOGGED TABLE quick (id integer PRIMARY KEY)',
      )
      const adapter = postgres(database.pool)
      adapter.collection('users')
      await database.follow(adapter)
      expect(await database.leftovers()).to.deep.equal({ slots: 1, connections: 1 })
      const other = postgres(database.newPool())
      other.collection('quick')
      const error: unknown = await other.open({} as Recorder).catch((reason: unknown) => reason)
      expect(String(error)).to.include('The table quick is UNLOGGED')
    })

    it('says what is missing where there is neither the right to replicate nor an outbox', async () => {
      await database
        .run('CREATE TABLE users (id integer PRIMARY KEY)', 'CREATE ROLE reader LOGIN')
        .catch(() => {})
      const url = new URL(database.url)
      url.username = 'reader'
      const adapter = postgres(database.newPool(url.href))
      const message = await refusal(adapter.open({} as Recorder))
      expect(message).to.include('this role lacks it').and.include('installTriggers')
    })
  })
})
