import { expect } from 'chai'
import type { Pool } from 'mysql2'
import type { RowDataPacket } from 'mysql2/promise'
import type { Document } from '../../../lib/model/document.ts'
import { promised } from '../../../lib/source/mariadb/pool.ts'
import { lookupDocuments, readDocuments, type Wanted } from '../../../lib/source/mariadb/read.ts'
import { mariadbOrSkip } from '../../support/mariadb.ts'
import { RowDatabase } from './rows.ts'

describe('source/mariadb/read on a real server', () => {
  let database: RowDatabase

  before(async function () {
    database = await RowDatabase.create(await mariadbOrSkip(this))
  })

  beforeEach(() =>
    database.run(
      'CREATE OR REPLACE TABLE items (id INT PRIMARY KEY, n INT, KEY (n)) CHARACTER SET utf8mb4',
      'CREATE OR REPLACE TABLE others LIKE items',
      'INSERT INTO items SELECT seq, seq FROM seq_1_to_2500',
      'INSERT INTO others VALUES (7, 7)',
    ),
  )

  after(() => database?.close())

  const request = (name = 'items', pool = database.pool) => ({ pool, table: database.reference(name) })

  async function read(pool = database.pool, wanted: Wanted = { query: {} }, name = 'items') {
    const documents: Document[] = []
    const place = await readDocuments(request(name, pool), wanted, (batch) => void documents.push(...batch))
    return { documents, ...place }
  }

  async function place(): Promise<{ file: string; at: number }> {
    const [[row]] = await promised(database.pool).query<RowDataPacket[]>('SHOW MASTER STATUS')
    return { file: row?.File, at: row?.Position }
  }

  /** The names of the log's files. */
  async function files(): Promise<string[]> {
    const [rows] = await promised(database.pool).query<RowDataPacket[]>('SHOW BINARY LOGS')
    return rows.map(({ Log_name }) => Log_name)
  }

  /** A pool whose first connection runs statements on another one, between its snapshot and its read. */
  function interrupted(...statements: string[]) {
    return interruptedBefore('rows_of', () => database.run(...statements))
  }

  /** A pool whose first connection waits for a task, before a query of its snapshot. */
  function interruptedBefore(
    query: string,
    task: () => Promise<void>,
  ): { pool: Pool; snapshots: () => number } {
    let snapshots = 0
    const getConnection = async () => {
      const connection = await promised(database.pool).getConnection()
      snapshots++
      if (snapshots > 1) return connection
      let isInSnapshot = false
      let waits = true
      return new Proxy(connection, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target)
          if (typeof value !== 'function') return value
          if (name !== 'query') return value.bind(target)
          return async (options: { sql?: string } | string) => {
            const sql = typeof options === 'string' ? options : (options.sql ?? '')
            if (sql.includes('CONSISTENT SNAPSHOT')) isInSnapshot = true
            if (isInSnapshot && waits && sql.includes(query)) {
              waits = false
              await task()
            }
            return value.call(target, options)
          }
        },
      })
    }
    return { pool: { promise: () => ({ getConnection }) } as unknown as Pool, snapshots: () => snapshots }
  }

  it('delivers the documents in batches, and waits for each', async () => {
    const sizes: number[] = []
    let busy = 0
    await readDocuments(request(), { query: {} }, async (batch) => {
      expect(++busy).to.equal(1)
      sizes.push(batch.length)
      await new Promise((resolve) => setImmediate(resolve))
      busy--
    })
    expect(sizes).to.deep.equal([1000, 1000, 500])
  })

  it('has no documents of a missing table or database, and none of an empty table', async () => {
    expect((await read(database.pool, { query: {} }, 'missing')).documents).to.deep.equal([])
    const table = { database: 'no_such_database', name: 'items', collection: 'items', options: {} }
    await readDocuments({ pool: database.pool, table }, { query: {} }, () => expect.fail())
    await database.run('DELETE FROM items')
    expect((await read()).documents).to.deep.equal([])
  })

  it('tells the place in the log that has just the changes before the snapshot', async () => {
    const start = await place()
    let isOver = false
    const writing = (async () => {
      for (let id = 3000; !isOver; id++) await database.run(`INSERT INTO items VALUES (${id}, 0)`)
    })()
    const readings = []
    for (let count = 0; count < 30; count++) readings.push(await read())
    isOver = true
    await writing
    const [events] = await promised(database.pool).query<RowDataPacket[]>(
      `SHOW BINLOG EVENTS IN '${start.file}' FROM ${start.at}`,
    )
    const commits = events
      .filter(({ Event_type }) => Event_type === 'Xid')
      .map(({ End_log_pos }) => End_log_pos)
    for (const { documents, file, at } of readings) {
      expect(file).to.equal(start.file)
      expect(documents).to.have.length(2500 + commits.filter((end) => end <= at).length)
    }
    expect(readings.at(-1)?.documents.length).to.be.above(readings[0]?.documents.length ?? 0)
  }).timeout(30_000)

  const LATER = [
    { what: 'emptied by TRUNCATE', statements: ['TRUNCATE items'] },
    {
      what: 'dropped and created',
      statements: ['DROP TABLE items', 'CREATE TABLE items (id INT PRIMARY KEY, n INT)'],
    },
    { what: 'dropped', statements: ['DROP TABLE items'] },
    { what: 'given a column', statements: ['ALTER TABLE items ADD COLUMN extra INT DEFAULT 5'] },
    { what: 'given another type', statements: ['ALTER TABLE items MODIFY n BIGINT'] },
    { what: 'given another name for a column', statements: ['ALTER TABLE items RENAME COLUMN n TO m'] },
    {
      what: 'swapped',
      statements: ['RENAME TABLE items TO old_items, others TO items', 'DROP TABLE old_items'],
    },
  ]
  const WANTED: Record<string, Wanted> = {
    'all documents': { query: {} },
    'a document by its key': { query: { _id: 5 } },
    'the first documents': {
      query: {},
      first: {
        sort: [
          ['n', -1],
          ['_id', 1],
        ],
        limit: 3,
      },
    },
  }
  for (const { what, statements } of LATER)
    for (const [name, wanted] of Object.entries(WANTED))
      it(`takes another snapshot of a table that is ${what} after the snapshot, for ${name}`, async () => {
        const before = await read(database.pool, wanted)
        const { pool, snapshots } = interrupted(...statements)
        const found = await read(pool, wanted)
        const after = await read(database.pool, wanted)
        expect(snapshots()).to.equal(2)
        expect(found.at).to.be.above(before.at)
        expect(found).to.deep.equal(after)
        expect(found.documents).to.not.deep.equal(what.includes('type') ? [] : before.documents)
      })

  it('takes another snapshot of a table whose partition is exchanged with a table of the same definition', async () => {
    await database.run('ALTER TABLE items PARTITION BY HASH (id) PARTITIONS 1')
    const { pool, snapshots } = interrupted('ALTER TABLE items EXCHANGE PARTITION p0 WITH TABLE others')
    expect((await read(pool)).documents).to.deep.equal([{ _id: 7, id: 7, n: 7 }])
    expect(snapshots()).to.equal(2)
  })

  it('takes no other snapshot for a write', async () => {
    const { pool, snapshots } = interrupted('INSERT INTO items VALUES (3000, 0)', 'DELETE FROM others')
    expect((await read(pool)).documents).to.have.length(2500)
    expect(snapshots()).to.equal(1)
  })

  it('takes another snapshot after a rotation of the log', async () => {
    const { pool, snapshots } = interrupted('FLUSH BINARY LOGS', 'INSERT INTO items VALUES (3000, 0)')
    expect((await read(pool)).documents).to.have.length(2501)
    expect(snapshots()).to.equal(2)
  })

  it('takes another snapshot when the file of the first is deleted, as PURGE BINARY LOGS does', async () => {
    await database.run('FLUSH BINARY LOGS')
    const { file } = await place()
    const { pool, snapshots } = interruptedBefore('BINLOG EVENTS', async () => {
      await database.run('FLUSH BINARY LOGS', 'INSERT INTO items VALUES (3000, 0)')
      while ((await files()).includes(file)) {
        await database.run('DO SLEEP(0.05)', `PURGE BINARY LOGS TO '${(await place()).file}'`)
      }
    })
    expect((await read(pool)).documents).to.have.length(2501)
    expect(snapshots()).to.be.above(1)
  })

  it('looks up documents by their ids, at a place', async () => {
    const { documents, at } = await lookupDocuments(request(), [5, 2500, 9999, '5', null, { a: 1 }, 1.5])
    expect(documents).to.deep.equal([
      { _id: 5, id: 5, n: 5 },
      { _id: 2500, id: 2500, n: 2500 },
    ])
    expect(at).to.equal((await place()).at)
    expect((await lookupDocuments(request('missing'), [1])).documents).to.deep.equal([])
    expect((await lookupDocuments(request(), [])).documents).to.deep.equal([])
  })

  it('fails with the failure of its reader, and leaves the pool usable', async () => {
    const pool = database.newPool({ connectionLimit: 1 })
    for (let count = 0; count < 3; count++) {
      const failure = await readDocuments(request('items', pool), { query: {} }, () => {
        throw new Error('enough')
      }).catch((error: Error) => error)
      expect(String(failure)).to.include('enough')
    }
    expect((await read(pool)).documents).to.have.length(2500)
  })

  it('fails when its connection is ended while it waits for its reader', async () => {
    const pool = database.newPool({ connectionLimit: 1 })
    let id = 0
    pool.on('acquire', ({ threadId }) => {
      id = threadId
    })
    await database.run('INSERT INTO items SELECT seq, seq FROM seq_3000_to_200000')
    const failure = await readDocuments(request('items', pool), { query: {} }, async () => {
      await database.run(`KILL ${id}`).catch(() => {})
    }).catch((error: Error) => error)
    expect(failure).to.be.an.instanceof(Error)
    expect((await read(pool)).documents.length).to.be.above(2500)
  }).timeout(30_000)

  it('reads no further than the last wanted document, where the database finds too many', async () => {
    const pool = database.newPool({ connectionLimit: 1 })
    const wanted: Wanted = { query: { n: { $mod: [2, 0] } }, first: { sort: [['_id', 1]], limit: 600 } }
    const { documents } = await read(pool, wanted)
    expect(documents.length).to.be.within(600, 1100)
    expect((await read(pool)).documents).to.have.length(2500)
  })

  it('holds no transaction after a read', async () => {
    const pool = database.newPool({ connectionLimit: 1 })
    await read(pool)
    await lookupDocuments(request('items', pool), [1])
    await database.run('SET STATEMENT lock_wait_timeout = 1 FOR ALTER TABLE items ADD COLUMN later INT')
    const [[row]] = await promised(pool).query<RowDataPacket[]>('SELECT @@in_transaction AS is_in')
    expect(row?.is_in).to.equal(0)
  })
})
