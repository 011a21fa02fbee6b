import { expect } from 'chai'
import { Server } from '../../../lib/server/index.ts'
import { mariadb } from '../../../lib/source/mariadb/index.ts'
import type { Adapter, CollectionHandle } from '../../../lib/source/source.ts'
import { LocalClient, until } from '../../support/local.ts'
import { freshDatabase, releaseDatabase, startMariadb } from '../../support/mariadb.ts'
import { Recorder } from '../mongo/fold.ts'
import { eachDatabase, TestDatabase } from './database.ts'

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).to.have.property('code', 'INVALID_OPTION')
  return (error as Error).message
}

async function readAll(adapter: Adapter, collection: string) {
  const documents: object[] = []
  const reading = await adapter.read(collection, {}, (batch) => void documents.push(...batch))
  return { documents, ...reading }
}

describe('source/mariadb/adapter', function () {
  this.timeout(30_000)
  let db: TestDatabase
  eachDatabase(async (database) => {
    db = database
    await db.run('CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(50))')
  })

  /** Makes an account with these rights, and a pool of it. */
  async function poolOf(...rights: string[]) {
    const url = new URL(db.url)
    Object.assign(url, { username: `only_${url.pathname.slice(-6)}`, password: 'secret' })
    await db.run(`CREATE OR REPLACE USER ${url.username} IDENTIFIED BY 'secret'`)
    for (const right of rights) await db.run(`GRANT ${right} TO ${url.username}`)
    return { pool: db.newPool(url.href), drop: () => db.run(`DROP USER ${url.username}`) }
  }

  it('takes a table by any of its names, always with the same options', () => {
    const adapter = db.adapter([])
    const home = new URL(db.url).pathname.slice(1)
    const names = ['users', `${home}.users`, '`users`', `\`${home}\`.users`].map(
      (name) => adapter.collection(name, { document: 'doc' }).collectionName,
    )
    expect(new Set(names)).to.deep.equal(new Set(['users']))
    expect(() => adapter.collection('users')).to.throw('has other options already')
    expect(() => adapter.collection('users', { documnet: 'doc' } as object)).to.throw('"document"')
    expect(adapter).to.deep.include({ name: 'mariadb', store: home })
  })

  it('says that a table is missing, once, until it is created', async () => {
    const adapter = db.adapter(['prodcts'])
    const errors: string[] = []
    const server = new Server({
      dataSources: { products: { manifest: true, collection: adapter.collection('prodcts') } },
      onError: ({ message }) => errors.push(message),
    })
    const clients = [await LocalClient.connect(server), await LocalClient.connect(server)]
    await until(() => clients.every(({ ready }) => ready), 'both are ready')
    expect(errors).to.have.length(1)
    expect(errors[0]).to.include('dataSources.products.collection: the database has no table "prodcts"')
    await db.run('CREATE TABLE prodcts (id INT PRIMARY KEY)', 'INSERT INTO prodcts VALUES (1)')
    await until(() => clients.every(({ model }) => model.products?.length === 1), 'the table is shown')
    expect(await readAll(adapter, 'prodcts')).not.to.have.property('isMissing')
    expect(errors).to.have.length(1)
    for (const client of clients) client.stop()
    await server.disconnect()
  })

  it('shows a table of another database of the server', async () => {
    const other = await freshDatabase(db.server)
    const name = new URL(other).pathname.slice(1)
    await db.run(`CREATE TABLE ${name}.users (id INT PRIMARY KEY)`)
    const { adapter, recorder } = await db.follow(db.adapter(['users', `${name}.users`]))
    await db.run("INSERT INTO users VALUES (1, 'Ada')", `INSERT INTO ${name}.users VALUES (2)`)
    await recorder.until(() => recorder.changesSeen.length === 2)
    expect(recorder.changesSeen.map(({ collection }) => collection)).to.deep.equal(['users', `${name}.users`])
    expect((await readAll(adapter, `${name}.users`)).documents).to.deep.equal([{ _id: 2, id: 2 }])
    await releaseDatabase(db.server, other)
  })

  it('gives changes the same positions in two processes, each of which resumes from those of the other', async () => {
    const [one, other] = [db.adapter(['users']), db.adapter(['users'], {}, db.newPool())]
    const { recorder } = await db.follow(one)
    await db.run("INSERT INTO users VALUES (1, 'a'), (2, 'b')", "UPDATE users SET name = 'c' WHERE id = 1")
    await recorder.until(() => recorder.changesSeen.length === 3)
    const [first, ...later] = recorder.changesSeen.map(({ position }) => position)
    const resumed = await db.follow(other, first)
    expect(resumed.subscription.position).to.equal(first)
    expect(resumed.subscription).to.have.property('head')
    await resumed.recorder.until(() => resumed.recorder.changesSeen.length === 2)
    expect(resumed.recorder.changesSeen.map(({ position }) => position)).to.deep.equal(later)
    const { from, to } = await readAll(other, 'users')
    expect(from).to.equal(to)
    expect(other.compare(to, later.at(-1) ?? '')).to.be.above(0)
  })

  it('begins anew at a position of another server, or of after the end of the log', async function () {
    this.timeout(60_000)
    const { subscription } = await db.follow(db.adapter(['users']))
    const server = await startMariadb({ settings: {} })
    try {
      const foreign = await TestDatabase.create(server)
      await foreign.run('CREATE TABLE users (id INT PRIMARY KEY)')
      const adapter = foreign.adapter(['users'])
      expect(adapter.compare(subscription.position, await adapter.past(0))).to.be.NaN
      const begun = await foreign.follow(adapter, subscription.position)
      expect(adapter.compare(begun.subscription.position, subscription.position)).to.be.NaN
      const [epoch, file = ''] = begun.subscription.position.split('.')
      const later = await foreign.follow(adapter, `${epoch}.${file}.4000000000.0`)
      expect(adapter.compare(later.subscription.position, begun.subscription.position)).to.be.at.least(0)
      expect(later.subscription.position).not.to.include('4000000000')
      await foreign.close()
    } finally {
      await server.stop()
    }
  })

  it('says which right the account lacks, to follow and to read', async () => {
    for (const right of ['SELECT', 'SELECT, BINLOG MONITOR', 'SELECT, REPLICATION SLAVE']) {
      const reader = await poolOf(`${right} ON *.*`)
      const message = await refusal(mariadb(reader.pool).open(new Recorder()))
      expect(message, right).to.include('GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.*')
      await reader.drop()
    }
    const database = new URL(db.url).pathname.slice(1)
    const follower = await poolOf('REPLICATION SLAVE, BINLOG MONITOR ON *.*', `INSERT ON ${database}.*`)
    const adapter = mariadb(follower.pool)
    adapter.collection('users')
    expect(await refusal(readAll(adapter, 'users'))).to.match(/GRANT SELECT ON .*users/)
    await follower.drop()
  })

  it('reads with each completion_type that a server or a pool has set', async () => {
    await db.run("INSERT INTO users VALUES (1, 'Ada')")
    for (const type of ['CHAIN', 'RELEASE']) {
      const pool = db.newPool()
      pool.on('connection', (connection) => connection.query(`SET SESSION completion_type = '${type}'`))
      for (let count = 0; count < 3; count++)
        expect((await readAll(mariadb(pool), 'users')).documents, type).to.have.length(1)
    }
  })

  it('refuses one table with the remedy, goes on with the others, and shows it once it is mended', async () => {
    await db.run('CREATE TABLE notes (text TEXT)', "INSERT INTO notes VALUES ('a')")
    const adapter = db.adapter([])
    const errors: string[] = []
    const collection = (name: string) => adapter.collection(name) as CollectionHandle<never>
    const server = new Server({
      dataSources: {
        users: { manifest: true, collection: collection('users') },
        notes: { manifest: true, collection: collection('notes') },
      },
      onError: ({ message }) => errors.push(message),
    })
    try {
      const client = await LocalClient.connect(server)
      await until(() => client.of('error').length > 0, 'an error of the root', 10_000)
      expect(client.of('error')[0]?.data).to.include({ root: 'notes' })
      expect(errors.join()).to.include('has no primary key')
      await db.run("INSERT INTO users VALUES (1, 'Ada')")
      await until(() => JSON.stringify(client.model).includes('Ada'), 'the other root goes on', 10_000)
      await db.run('ALTER TABLE notes ADD COLUMN id INT AUTO_INCREMENT PRIMARY KEY')
      await until(() => client.ready, 'the root is mended', 20_000)
      await db.run("INSERT INTO notes (text) VALUES ('b')")
      await until(() => JSON.stringify(client.model).includes('"b"'), 'its changes are shown', 10_000)
    } finally {
      await server.disconnect()
    }
  })

  it('shows a table that is created later', async () => {
    const { adapter, recorder } = await db.follow(db.adapter(['users', 'later']))
    expect((await readAll(adapter, 'later')).documents).to.deep.equal([])
    await db.run('CREATE TABLE later (id INT PRIMARY KEY)', 'INSERT INTO later VALUES (1)')
    await recorder.until(() => recorder.changesSeen.some(({ collection }) => collection === 'later'))
    expect((await readAll(adapter, 'later')).documents).to.deep.equal([{ _id: 1, id: 1 }])
    await recorder.reached(adapter, (await readAll(adapter, 'later')).to)
    recorder.changesSeen.splice(0)
    await db.run('INSERT INTO later VALUES (2)')
    await recorder.until(() => recorder.changesSeen.length === 1)
    expect(recorder.changesSeen[0]).to.deep.include({ kind: 'insert', collection: 'later', id: 2 })
  })

  it('keeps what is appended, until it is discarded', async () => {
    await db.run('CREATE TABLE control (_id VARCHAR(64) PRIMARY KEY, entry TEXT NOT NULL)')
    const adapter = db.adapter(['control'])
    const { recorder } = await db.follow(adapter)
    await adapter.append('control', { _id: "it's", entry: '{"a":"\\\\ü"}' })
    await adapter.append('control', { _id: 'b', entry: '' })
    expect((await readAll(adapter, 'control')).documents).to.have.deep.members([
      { _id: "it's", entry: '{"a":"\\\\ü"}' },
      { _id: 'b', entry: '' },
    ])
    await adapter.discard('control', ["it's", 'none'])
    await adapter.discard('control', [])
    await recorder.until(() => recorder.changesSeen.length === 3)
    expect((await readAll(adapter, 'control')).documents).to.deep.equal([{ _id: 'b', entry: '' }])
  })

  it('follows the log once for each subscription, and leaves nothing behind', async () => {
    const adapter = db.adapter(['users'])
    const subscriptions = [await adapter.open(new Recorder()), await adapter.open(new Recorder())]
    expect(await db.dumps()).to.equal(2)
    for (const subscription of subscriptions) {
      await subscription.close()
      await subscription.close()
    }
    for (const end = Date.now() + 10_000; (await db.dumps()) > 0 && Date.now() < end; );
    expect(await db.dumps()).to.equal(0)
  })
})
