import { expect } from 'chai'
import { eachDatabase, MODES, type TestDatabase } from './database.ts'

describe('source/postgres/session', () => {
  let database: TestDatabase

  eachDatabase(async (fresh) => {
    database = fresh
    await database.run('CREATE TABLE users (id integer PRIMARY KEY)', 'INSERT INTO users VALUES (1)')
  })

  for (const mode of MODES) {
    it(`finds a table that is being truncated empty as of the truncation, not of before it (${mode})`, async () => {
      const adapter = await database.adapter(mode, ['users'])
      const { recorder } = await database.follow(adapter)
      const writer = await database.newPool().connect()
      await writer.query('BEGIN; TRUNCATE users')
      const documents: unknown[] = []
      const reading = adapter.read('users', {}, (batch) => void documents.push(...batch))
      const lookup = adapter.lookup('users', [1])
      await new Promise((resolve) => setTimeout(resolve, 200))
      await writer.query('COMMIT')
      writer.release()
      const [{ to }, found] = await Promise.all([reading, lookup])
      await recorder.until(() => recorder.changesSeen.length > 0)
      const [clear] = recorder.changesSeen
      expect(clear?.kind).to.equal('clear')
      expect([documents, found.documents]).to.deep.equal([[], []])
      for (const position of [to, found.position])
        expect(adapter.compare(clear?.position ?? '', position)).to.be.at.most(0)
    })
  }
})
