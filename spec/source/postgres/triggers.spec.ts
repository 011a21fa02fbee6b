import { expect } from 'chai'
import { Client } from 'pg'
import { ParticleError } from '../../../lib/errors.ts'
import { installTriggers, postgres, removeTriggers } from '../../../lib/source/postgres/index.ts'
import { Recorder, readAll } from '../mongo/fold.ts'
import { eachDatabase, type TestDatabase } from './database.ts'

describe('source/postgres/triggers on a real server', () => {
  let database: TestDatabase
  const clients: Client[] = []

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.end()
  })

  eachDatabase(async (fresh) => {
    database = fresh
    await database.run('CREATE TABLE users (id integer PRIMARY KEY, name text)')
  })

  async function connect(url = database.url): Promise<Client> {
    const client = new Client(url)
    await client.connect()
    clients.push(client)
    return client
  }

  async function count(table: string): Promise<number> {
    return (await database.pool.query(`SELECT count(*)::int AS count FROM ${table}`)).rows[0]?.count
  }

  const ids = (recorder: Recorder) =>
    recorder.changesSeen.map((change) => ('id' in change ? change.id : change.kind))

  it('are installed again for further tables, and taken away whole', async () => {
    await database.run('CREATE TABLE teams (id integer PRIMARY KEY)')
    await installTriggers(database.pool, ['users'])
    await database.run("INSERT INTO users VALUES (1, 'a')")
    await installTriggers(database.pool, ['teams'])
    await database.run("INSERT INTO users VALUES (2, 'a')", 'INSERT INTO teams VALUES (1)')
    expect(await count('particle_outbox.commits')).to.equal(3)
    await removeTriggers(database.pool)
    await removeTriggers(database.pool)
    await database.run("INSERT INTO users VALUES (3, 'a')")
    const { rows } = await database.pool.query(
      "SELECT (SELECT count(*)::int FROM pg_trigger WHERE NOT tgisinternal) AS triggers, (SELECT count(*)::int FROM pg_namespace WHERE nspname LIKE 'particle%') AS schemas",
    )
    expect(rows).to.deep.equal([{ triggers: 0, schemas: 0 }])
  })

  it('refuse what is no table, and options that are none, and then install nothing', async () => {
    for (const tables of [['missing'], ['users', "users'; DROP TABLE users; --"]]) {
      const error: unknown = await installTriggers(database.pool, tables).catch((reason: unknown) => reason)
      expect(String(error)).to.include('does not exist')
    }
    for (const options of [
      { schema: 'a; b' },
      { rows: 0 },
      { history: 1.5 },
      { rows: '1; DROP TABLE users' as never },
    ]) {
      const error: unknown = await installTriggers(database.pool, ['users'], options).catch(
        (reason: unknown) => reason,
      )
      expect(error).to.be.instanceOf(ParticleError)
    }
    const { rows } = await database.pool.query("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'particle%'")
    expect(rows).to.deep.equal([])
    expect(await count('users')).to.equal(0)
  })

  it('are missed where they are not installed', async () => {
    const adapter = postgres(database.pool, { changes: 'triggers' })
    adapter.collection('users')
    const open = async () => String(await adapter.open(new Recorder()).catch((reason: unknown) => reason))
    expect(await open())
      .to.include('There is no outbox particle_outbox')
      .and.include('installTriggers')
    await database.run('CREATE TABLE teams (id integer PRIMARY KEY)')
    await installTriggers(database.pool, ['teams'])
    expect(await open()).to.include('run npx particle postgres install users')
  })

  it('tell transactions in the order of their commits, whichever wrote first', async () => {
    const adapter = await database.adapter('triggers', ['users'])
    await database.run("INSERT INTO users VALUES (1, 'a')")
    const { recorder } = await database.follow(adapter)
    const [early, late] = [await connect(), await connect()]
    await early.query("BEGIN; INSERT INTO users VALUES (2, 'early')")
    await late.query("BEGIN; UPDATE users SET name = 'late' WHERE id = 1")
    await late.query('COMMIT')
    const middle = await readAll(adapter, 'users')
    await early.query("UPDATE users SET name = 'early' WHERE id = 1; COMMIT")
    await recorder.until(() => recorder.changesSeen.length >= 3)
    expect(ids(recorder)).to.deep.equal([1, 2, 1])
    expect(recorder.changesSeen.at(-1)).to.deep.include({ document: { _id: 1, id: 1, name: 'early' } })
    const later = recorder.changesSeen.filter(({ position }) => adapter.compare(position, middle.from) > 0)
    expect(middle.documents).to.deep.equal([{ _id: 1, id: 1, name: 'late' }])
    expect(middle.from).to.equal(middle.to)
    expect(later).to.deep.equal(recorder.changesSeen.slice(1))
  })

  it('tell everything once, whoever writes at the same time', async () => {
    const adapter = await database.adapter('triggers', ['users'])
    const { recorder } = await database.follow(adapter)
    const writers = [0, 1, 2, 3].map(async (writer) => {
      const client = await connect()
      for (let n = 0; n < 40; n++) {
        const id = writer * 1000 + n
        await client.query(
          `BEGIN; INSERT INTO users VALUES (${id}, 'a'); INSERT INTO users VALUES (${id + 500}, 'b')`,
        )
        await client.query(n % 5 === 0 ? 'ROLLBACK' : 'COMMIT')
      }
    })
    await Promise.all(writers)
    const { documents, to } = await readAll(adapter, 'users')
    await recorder.reached(adapter, to)
    expect(recorder.changesSeen).to.have.length(documents.length)
    expect(new Set(ids(recorder)).size).to.equal(documents.length)
    for (const [index, { transaction }] of recorder.changesSeen.entries())
      if (index % 2 === 1) expect(transaction).to.equal(recorder.changesSeen[index - 1]?.transaction)
  })

  it('record what a savepoint kept, also where the first write was rolled back', async () => {
    const adapter = await database.adapter('triggers', ['users'])
    const { recorder } = await database.follow(adapter)
    await database.transaction(
      'SAVEPOINT a',
      "INSERT INTO users VALUES (1, 'a')",
      'ROLLBACK TO a',
      "INSERT INTO users VALUES (2, 'a')",
    )
    await database.transaction(
      'SET CONSTRAINTS ALL IMMEDIATE',
      "INSERT INTO users VALUES (3, 'a')",
      "INSERT INTO users VALUES (4, 'a')",
    )
    await recorder.until(() => recorder.changesSeen.length >= 3)
    expect(ids(recorder)).to.deep.equal([2, 3, 4])
  })

  it('do not record a write that changed nothing', async () => {
    await installTriggers(database.pool, ['users'])
    await database.run(
      "INSERT INTO users VALUES (1, 'a')",
      "UPDATE users SET name = 'a'",
      'DELETE FROM users WHERE id = 2',
    )
    expect(await count('particle_outbox.changes')).to.equal(1)
  })

  it('resume at any position on any node, also within a transaction, and in the past', async () => {
    const adapter = await database.adapter('triggers', ['users'])
    const first = await database.follow(adapter)
    await database.run("INSERT INTO users VALUES (1, 'a')")
    await database.transaction(
      "INSERT INTO users VALUES (2, 'a'), (3, 'a')",
      'UPDATE users SET id = 4 WHERE id = 2',
    )
    await database.run("INSERT INTO users VALUES (5, 'a')")
    await first.recorder.until(() => first.recorder.changesSeen.length >= 6)
    await first.subscription.close()
    const told = first.recorder.changesSeen
    const node = await database.adapter('triggers', ['users'], {}, database.newPool())
    for (const [index, { position }] of told.entries()) {
      const { recorder, subscription } = await database.follow(node, position)
      expect(subscription.position).to.equal(position)
      await recorder.until(() => recorder.changesSeen.length >= told.length - index - 1)
      expect(recorder.changesSeen).to.deep.equal(told.slice(index + 1))
      await subscription.close()
    }
    const past = await node.past(600_000)
    const { recorder, subscription } = await database.follow(node, past)
    expect(subscription.position).to.equal(past)
    await recorder.until(() => recorder.changesSeen.length >= 6)
    expect(recorder.changesSeen).to.deep.equal(told)
    expect(await node.past(0)).to.equal(first.recorder.position)
  })

  it('keep the outbox within its bound, whether anybody follows or not, and say so to those who come late', async () => {
    const adapter = await database.adapter('triggers', ['users'], { checkInterval: 60_000 })
    const first = await database.follow(adapter)
    await database.run("INSERT INTO users VALUES (0, 'a')")
    await first.recorder.until(() => first.recorder.changesSeen.length === 1)
    await first.subscription.close()
    await installTriggers(database.pool, ['users'], { rows: 50 })
    for (let id = 1; id <= 600; id++) await database.run(`INSERT INTO users VALUES (${id}, 'a')`)
    expect(await count('particle_outbox.changes')).to.be.within(50, 50 + 256)
    expect(await count('particle_outbox.commits')).to.be.within(50, 50 + 256)
    const { recorder, subscription } = await database.follow(adapter, first.recorder.position)
    expect(adapter.compare(subscription.position, first.recorder.position)).to.be.above(0)
    await database.run("INSERT INTO users VALUES (601, 'a')")
    await recorder.until(() => recorder.changesSeen.length > 0)
    expect(ids(recorder)).to.deep.equal([601])
    expect(recorder.losses).to.deep.equal([])
    expect(adapter.compare(await adapter.past(600_000), first.recorder.position)).to.be.above(0)
  }).timeout(30_000)

  it('say that the history is lost to one who was away while it was trimmed', async () => {
    const adapter = await database.adapter('triggers', ['users'], {}, database.newPool())
    await installTriggers(database.pool, ['users'], { rows: 20 })
    const { recorder } = await database.follow(adapter)
    await database.run(
      `SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'particle'`,
      `DO $$ BEGIN FOR i IN 1..300 LOOP INSERT INTO users VALUES (i, 'a'); COMMIT; END LOOP; END $$`,
    )
    await recorder.until(() => recorder.losses.length > 0)
    expect(recorder.losses[0]?.reason).to.include('trimmed')
    const { documents, from } = await readAll(adapter, 'users')
    expect(documents).to.have.length(300)
    await database.run("INSERT INTO users VALUES (301, 'a')")
    await recorder.until(() => ids(recorder).includes(301))
    expect(recorder.changesSeen.filter(({ position }) => adapter.compare(position, from) > 0)).to.have.length(
      1,
    )
  })

  it('ask no right to the outbox of those who write, and little of those who follow', async () => {
    const [writer, reader] = [`writer_${process.pid}`, `reader_${process.pid}`]
    try {
      await database.run(
        `CREATE ROLE ${writer} LOGIN`,
        `CREATE ROLE ${reader} LOGIN`,
        `GRANT INSERT ON users TO ${writer}`,
        `GRANT SELECT ON users TO ${reader}`,
      )
      const as = (role: string) => Object.assign(new URL(database.url), { username: role }).href
      await installTriggers(database.pool, ['users'])
      const denied = postgres(database.newPool(as(reader)))
      denied.collection('users')
      const refusal: unknown = await denied.open(new Recorder()).catch((error: unknown) => error)
      expect(String(refusal)).to.include(`The role ${reader} may not read the outbox particle_outbox`)
      expect(String(refusal)).to.include(`--grant-to ${reader}`)
      await installTriggers(database.pool, ['users'], { grantTo: [reader] })
      const adapter = postgres(database.newPool(as(reader)), { checkInterval: 100 })
      adapter.collection('users')
      // By `auto`: this role can't replicate.
      const { recorder } = await database.follow(adapter)
      const client = await connect(as(writer))
      await client.query("INSERT INTO users VALUES (1, 'a')")
      await recorder.until(() => recorder.changesSeen.length === 1)
      await database.run('ALTER TABLE users ADD COLUMN age integer')
      await recorder.until(() => ids(recorder).includes('reload'))
      expect(recorder.errors).to.deep.equal([])
      const refused: unknown = await client
        .query('SELECT * FROM particle_outbox.changes')
        .catch((error: unknown) => error)
      expect(String(refused)).to.include('permission denied')
    } finally {
      for (const client of clients.splice(0)) await client.end()
      await database.close()
      const client = new Client(database.server.url)
      await client.connect()
      await client.query(`DROP ROLE IF EXISTS ${writer}`)
      await client.query(`DROP ROLE IF EXISTS ${reader}`)
      await client.end()
    }
  })

  it('let transactions of any isolation commit', async () => {
    await installTriggers(database.pool, ['users'], { rows: 10 })
    for (const level of ['REPEATABLE READ', 'SERIALIZABLE']) {
      await database.run('TRUNCATE users')
      const writers = [0, 1, 2].map(async (writer) => {
        const client = await connect()
        for (let n = 0; n < 100; n++)
          await client.query(
            `BEGIN ISOLATION LEVEL ${level}; INSERT INTO users VALUES (${writer * 1000 + n}, 'a'); COMMIT`,
          )
      })
      const outcomes = await Promise.allSettled(writers)
      const failed = outcomes.flatMap((outcome) =>
        outcome.status === 'rejected' ? [String(outcome.reason)] : [],
      )
      expect(failed, level).to.deep.equal([])
      expect(await count('users')).to.equal(300)
    }
  }).timeout(30_000)
})
