import { expect } from 'chai'
import { comparePositions, type Place, parsePosition } from '../../../lib/source/mariadb/position.ts'
import { eachLogDatabase, type LogDatabase } from './log-database.ts'

describe('source/mariadb/log-files', () => {
  let db: LogDatabase
  eachLogDatabase(
    'own',
    'CREATE TABLE texts (id INT AUTO_INCREMENT PRIMARY KEY, text LONGTEXT)',
    (database) => {
      db = database
    },
  )

  const end = async () => parsePosition(await db.files.present()) as Place

  it('tells the present end of the log, which is later after a write', async () => {
    const before = await db.files.present()
    await db.run("INSERT INTO texts (text) VALUES ('a')")
    expect(comparePositions(before, await db.files.present())).to.be.lessThan(0)
  })

  it('tells a snapshot’s place by the same file as the present end', async () => {
    const { file, birth, at } = await end()
    const name = await db.files.nameOf(file)
    expect(parsePosition(await db.files.position(name, at))).to.include({ file, birth, at, ordinal: 0 })
  })

  it('reaches back to the start of a file that is old enough', async () => {
    await db.run('FLUSH LOGS')
    const { file } = await end()
    await nextSecond()
    await db.run('FLUSH LOGS')
    const past = parsePosition(await db.files.past(500))
    expect(past).to.include({ at: 4, ordinal: 0 })
    expect(past?.file).to.be.at.most(file)
    expect((past?.birth ?? 0) * 1000).to.be.at.most(Date.now() - 500)
  })

  it('reaches back to the oldest file if none is old enough, and not over 64 MB', async function () {
    this.timeout(60_000)
    expect(parsePosition(await db.files.past(1e12))).to.include({ file: 1, at: 4 })
    const long = "INSERT INTO texts (text) SELECT REPEAT('x', 13000000) FROM seq_1_to_3"
    await db.run('FLUSH LOGS', long, 'FLUSH LOGS')
    const { file } = await end()
    expect(parsePosition(await db.files.past(1e12))).to.include({ at: 4 })
    await db.run(long)
    // The two files together are too long, and then the newest one alone.
    expect(parsePosition(await db.files.past(1e12))).to.include({ file, at: 4 })
    await db.run(long)
    expect(await db.files.past(1e12)).to.equal(await db.files.present())
    await db.purge()
  })

  it('tells whether the engine still has a transaction of XA as prepared', async () => {
    const xid = `7:${Buffer.from('a\u00e9').toString('hex')}:${Buffer.from('b').toString('hex')}`
    const [, gtrid, bqual] = xid.split(':')
    const name = `X'${gtrid}', X'${bqual}', 7`
    await db.run(
      `XA START ${name}`,
      "INSERT INTO texts (text) VALUES ('x')",
      `XA END ${name}`,
      `XA PREPARE ${name}`,
    )
    expect(await db.files.isPrepared(xid)).to.equal(true)
    for (const other of [xid.replace('7:', '8:'), `7:${gtrid}${bqual}:`, `7:${gtrid}:`])
      expect(await db.files.isPrepared(other), other).to.equal(false)
    await db.run(`XA COMMIT ${name}`)
    expect(await db.files.isPrepared(xid)).to.equal(false)
  })

  it('finds nothing missing at a place that the log has', async () => {
    const place = await end()
    await db.run('FLUSH LOGS')
    expect(await db.files.missing(place)).to.equal(undefined)
    expect(await db.files.missing(await end())).to.equal(undefined)
  })

  it('tells why a place is missing: another server, a purged file, a log that is shorter or was deleted', async () => {
    const place = await end()
    expect(await db.files.missing({ ...place, epoch: '000000000000' })).to.include('another one')
    expect(await db.files.missing({ ...place, at: place.at + 1_000_000 })).to.include('lost the end')
    expect(await db.files.missing({ ...place, at: 1 })).to.be.a('string')
    expect(await db.files.missing({ ...place, file: place.file + 1 })).to.include('RESET MASTER')
    expect(await db.files.missing({ ...place, birth: place.birth - 1 })).to.include('RESET MASTER')
    await db.purge()
    expect(await db.files.missing(place)).to.include('PURGE')
    await nextSecond()
    await db.run('RESET MASTER')
    expect(await db.files.missing({ ...place, file: 1 })).to.include('RESET MASTER')
  })
})

/** Waits for another second, in which files of the log are told apart. */
async function nextSecond(): Promise<void> {
  const begin = Math.floor(Date.now() / 1000)
  while (Math.floor(Date.now() / 1000) === begin) await new Promise((resolve) => setTimeout(resolve, 20))
}
