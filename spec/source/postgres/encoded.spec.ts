import { expect } from 'chai'
import type { ReportedChange } from '../../../lib/source/source.ts'
import { Copy, EncodedRecorder, Recorder } from '../mongo/fold.ts'
import { eachDatabase, type TestDatabase } from './database.ts'

describe('source/postgres, for tables that nobody is shown,', () => {
  let database: TestDatabase

  eachDatabase((fresh) => {
    database = fresh
  })

  it('leaves rows encoded that lead to the same documents as what others are told, at the same positions', async () => {
    const { pool } = database
    await pool.query('CREATE TABLE users (id int PRIMARY KEY, name text, tags text[], more jsonb)')
    await pool.query('CREATE TABLE teams (id int PRIMARY KEY, name text)')
    const adapter = await database.adapter('replication', ['users', 'teams'])
    const [plain, encoded] = [new Recorder(), new EncodedRecorder(['teams'])]
    const subscriptions = [await adapter.open(plain), await adapter.open(encoded)]
    try {
      await database.run(
        `INSERT INTO users VALUES (1, 'Ada', '{a,NULL}', '{"deep": [1.5]}'), (2, NULL, NULL, NULL)`,
        `UPDATE users SET name = 'Zoë' WHERE id = 1`,
        `UPDATE users SET id = 3 WHERE id = 2`,
        `UPDATE users SET more = jsonb_build_object('long', repeat(md5(random()::text), 4000)) WHERE id = 1`,
        `UPDATE users SET name = 'with a value left out by TOAST' WHERE id = 1`,
      )
      await database.transaction(`UPDATE users SET name = 'inside'`, `INSERT INTO teams VALUES (1, 'shown')`)
      await database.run(`ALTER TABLE users ADD COLUMN extra int`, `UPDATE users SET extra = 1`)
      await database.run(
        'DELETE FROM users WHERE id = 1',
        `INSERT INTO teams VALUES (2, 'last')`,
        'TRUNCATE users',
      )
      const isEnd = ({ kind }: ReportedChange) => kind === 'clear'
      await plain.until(() => plain.changesSeen.some(isEnd))
      await encoded.until(() => encoded.reported.some(isEnd))
      const [told, decoded] = [new Copy(), new Copy()]
      for (const [index, change] of encoded.decoded.entries()) {
        told.apply(plain.changesSeen.slice(index, index + 1))
        decoded.apply([change])
        expect(decoded.sorted('users')).to.deep.equal(told.sorted('users'))
      }
      expect(decoded.reloads).to.deep.equal(told.reloads)
      expect(encoded.reported.map(({ position }) => position)).to.deep.equal(
        plain.changesSeen.map(({ position }) => position),
      )
      const kindsOf = (name: string) =>
        encoded.reported.flatMap(({ collection, kind }) => (collection === name ? [kind] : []))
      expect(kindsOf('users').filter((kind) => kind === 'encoded')).to.have.length.above(6)
      expect(kindsOf('teams')).to.deep.equal(['insert', 'insert'])
    } finally {
      for (const subscription of subscriptions) await subscription.close()
    }
  })
})
