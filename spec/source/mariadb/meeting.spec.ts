import { expect } from 'chai'
import fc from 'fast-check'
import { comparePositions } from '../../../lib/source/mariadb/position.ts'
import type { Change } from '../../../lib/source/source.ts'
import { type MariadbServer, mariadbOrSkip, startMariadb } from '../../support/mariadb.ts'
import { Copy } from '../mongo/fold.ts'
import { LogDatabase, type TableSnapshot } from './log-database.ts'

const RUNS = Number(process.env.RUNS ?? 12)

/** What one session does, as statements. */
const id = fc.integer({ min: 1, max: 6 })
const name = fc.constantFrom("'a'", "'b'", 'NULL')
const write = fc.oneof(
  fc.tuple(id, name).map(([key, text]) => `REPLACE INTO users (id, name) VALUES (${key}, ${text})`),
  fc.tuple(id, name).map(([key, text]) => `UPDATE users SET name = ${text} WHERE id >= ${key}`),
  fc.tuple(id, id).map(([key, other]) => `UPDATE IGNORE users SET id = ${other} WHERE id = ${key}`),
  id.map((key) => `DELETE FROM users WHERE id = ${key}`),
  id.map((key) => `INSERT IGNORE INTO users (id, name) SELECT seq, 's' FROM seq_1_to_${key}`),
)
const transaction = fc
  .tuple(fc.array(write, { minLength: 1, maxLength: 4 }), fc.constantFrom('COMMIT', 'ROLLBACK'))
  .map(([writes, end]) => ['BEGIN', ...writes, end])
const definition = fc.constantFrom<string[]>(
  ['ALTER TABLE users ADD COLUMN IF NOT EXISTS age INT DEFAULT 7'],
  ['ALTER TABLE users DROP COLUMN IF EXISTS age'],
  ['ALTER TABLE users ADD COLUMN IF NOT EXISTS age VARCHAR(9) DEFAULT 7 FIRST'],
  ['RENAME TABLE users TO people', "UPDATE people SET name = 'p'", 'RENAME TABLE people TO users'],
  [
    'CREATE OR REPLACE TABLE users (id INT PRIMARY KEY, name VARCHAR(20))',
    "INSERT INTO users VALUES (1, 'n')",
  ],
  ['TRUNCATE users'],
)
const upheaval = fc.constantFrom<string[]>(
  ['FLUSH LOGS'],
  ["SET binlog_row_image = 'MINIMAL'", "UPDATE users SET name = 'm'"],
  ["SET binlog_format = 'STATEMENT'", "UPDATE users SET name = 't'"],
  ['cut'],
)
const step = fc.oneof(
  { weight: 5, arbitrary: write.map((one) => [one]) },
  { weight: 3, arbitrary: transaction },
  { weight: 2, arbitrary: definition },
  { weight: 1, arbitrary: upheaval },
)
const session = fc.array(step, { minLength: 3, maxLength: 10 })

/** Errors that one session's statements may meet by those of the other: no such table, an equal key, a deadlock. */
const MET = new Set([1062, 1146, 1050, 1213, 1205, 1054, 1136, 1091, 1060])

describe('source/mariadb, the meeting of snapshots and the log', () => {
  let server: MariadbServer
  before(async function () {
    server = await mariadbOrSkip(this)
  })

  it('leads from each snapshot to the next by changes alone, or says that a table must be read again', async function () {
    this.timeout(240_000)
    let compared = 0
    let reloads = 0
    await fc.assert(
      fc.asyncProperty(session, session, async (first, second) => {
        const db = await LogDatabase.create(server)
        try {
          await db.run('CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(20))')
          const follower = await db.follow(['users'])
          const snapshots: TableSnapshot[] = []
          const look = async () => void snapshots.push(await db.snapshot('users'))
          await look()
          const play = async (steps: string[][]) => {
            for (const statements of steps) {
              if (statements[0] === 'cut') await db.cutDumps()
              else await db.run(...statements).catch(expected)
              await look().catch(expected)
            }
          }
          await Promise.all([play(first), play(second)])
          await look()
          await follower.caughtUp()
          expect(follower.recorder.losses).to.deep.equal([])
          const found = judge(snapshots, follower.recorder.changesSeen)
          compared += found.compared
          reloads += found.reloads
        } finally {
          await db.release()
        }
      }),
      { numRuns: RUNS, interruptAfterTimeLimit: 200_000 },
    )
    // Neither is so rare that the property says nothing.
    expect(compared).to.be.greaterThan(RUNS)
    expect(reloads).to.be.greaterThan(0)
  })

  it('has in a snapshot all transactions before its place, also while the log goes on in a new file', async function () {
    this.timeout(120_000)
    const own = await mariadbOrSkip(this, () =>
      process.env.MARIADB_URL
        ? this.skip()
        : startMariadb({ settings: { 'max-binlog-size': '16384', 'sync-binlog': '1' } }),
    )
    const db = await LogDatabase.create(own)
    try {
      await db.run('CREATE TABLE users (id INT PRIMARY KEY, name INT)')
      await db.run('INSERT INTO users SELECT seq, 0 FROM seq_1_to_8')
      const follower = await db.follow(['users'])
      let isWriting = true
      const write = (key: number) =>
        db.session(async (connection) => {
          while (isWriting) await connection.query(`UPDATE users SET name = name + 1 WHERE id = ${key}`)
        })
      const writers = [1, 2, 3, 4, 5, 6, 7, 8].map(write)
      const snapshots: TableSnapshot[] = []
      while (snapshots.length < 200) snapshots.push(await db.snapshot('users'))
      isWriting = false
      await Promise.all(writers)
      await follower.caughtUp()
      expect(follower.recorder.losses).to.deep.equal([])
      expect(judge(snapshots, follower.recorder.changesSeen)).to.deep.equal({ compared: 199, reloads: 0 })
    } finally {
      await db.release()
      await own.stop()
    }
  })
})

function expected(error: { errno?: number }): void {
  if (!MET.has(error.errno ?? 0)) throw error
}

/** Applies the changes between snapshots, and compares the result with each. */
function judge(
  snapshots: TableSnapshot[],
  changes: readonly Change[],
): { compared: number; reloads: number } {
  snapshots.sort((a, b) => comparePositions(a.position, b.position))
  const copy = new Copy()
  let next = 0
  let isKnown = false
  let compared = 0
  let reloads = 0
  for (const { position, documents } of snapshots) {
    const from = next
    while (next < changes.length && comparePositions(changes[next]?.position ?? '', position) < 0) next += 1
    const between = changes.slice(from, next)
    if (between.some(({ kind }) => kind === 'reload')) {
      isKnown = false
      reloads += 1
    }
    if (isKnown) copy.apply(between)
    // Lets a snapshot be ahead by one statement that is in the engine, and in the log a moment later: the table is
    // locked until then, so that no other change of it can come between.
    const following = changes[next]
    const isAhead = following !== undefined && !('id' in following)
    if (isKnown && !isAhead) {
      expect(copy.sorted('users'), `at ${position}`).to.deep.equal(sorted(documents))
      compared += 1
    }
    copy.of('users').clear()
    copy.fill('users', documents)
    isKnown = true
  }
  return { compared, reloads }
}

function sorted(documents: TableSnapshot['documents']): TableSnapshot['documents'] {
  return [...documents].sort((a, b) => Number(a._id) - Number(b._id))
}
