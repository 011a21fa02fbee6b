import { expect } from 'chai'
import { Binary, Decimal128, Long, ObjectId } from 'mongodb'
import { mongo } from '../../../lib/source/mongo/index.ts'
import type { ReportedChange } from '../../../lib/source/source.ts'
import { eachDatabase, type TestDatabase } from './database.ts'
import { EncodedRecorder, Recorder } from './fold.ts'

describe('source/mongo, for collections that nobody is shown,', () => {
  let database: TestDatabase

  eachDatabase((fresh) => {
    database = fresh
  })

  it('leaves changes encoded that decode to what others are told, at the same positions', async () => {
    const { db, client } = database
    const adapter = mongo(db)
    const [plain, encoded] = [new Recorder(), new EncodedRecorder(['teams'])]
    for (const recorder of [plain, encoded]) database.open.push(await adapter.open(recorder))
    const users = db.collection<{ _id: number | string }>('users')
    const values = {
      text: 'Zoë ',
      number: 1.5,
      long: Long.fromString('9007199254740993'),
      decimal: Decimal128.fromString('1.10'),
      date: new Date(0),
      bytes: new Binary(Buffer.from('bytes')),
      id: new ObjectId(),
      none: null,
      list: [1, { deep: [true] }],
    }
    await users.insertOne({ _id: 1, ...values } as never)
    await users.updateOne({ _id: 1 }, { $set: { 'list.1.deep': ['new'], text: 'set' }, $unset: { none: 1 } })
    await users.updateOne({ _id: 1 }, [{ $set: { 'odd name': { a: 1 } } }])
    await users.replaceOne({ _id: 1 }, { text: 'replaced' } as never)
    await users.insertMany([{ _id: 'two' }, { _id: new ObjectId() }] as never)
    await client.withSession((session) =>
      session.withTransaction(async () => {
        await users.updateOne({ _id: 'two' }, { $set: { inside: 1 } }, { session })
        await db.collection('teams').insertOne({ name: 'shown' }, { session })
      }),
    )
    await users.deleteOne({ _id: 1 })
    await db.collection('teams').insertOne({ name: 'last' })
    await users.drop()
    const isEnd = (change: ReportedChange) => change.kind === 'clear'
    await plain.until(() => plain.changesSeen.some(isEnd))
    await encoded.until(() => encoded.reported.some(isEnd))
    expect(encoded.decoded).to.deep.equal(plain.changesSeen)
    expect(encoded.reported.map(({ position }) => position)).to.deep.equal(
      plain.changesSeen.map(({ position }) => position),
    )
    const kinds = (collection: string) =>
      encoded.reported.filter((change) => change.collection === collection).map(({ kind }) => kind)
    expect(kinds('users').filter((kind) => kind === 'encoded')).to.have.length.above(6)
    expect(kinds('teams')).to.deep.equal(['insert', 'insert'])
  })

  it('decodes changes at once for a listener that takes no others', async () => {
    const recorder = new Recorder()
    database.open.push(await mongo(database.db).open(recorder))
    await database.db.collection('users').insertOne({ name: 'Ada' })
    await recorder.until(() => recorder.changesSeen.length > 0)
    expect(recorder.changesSeen[0]).to.include({ kind: 'insert', collection: 'users' })
  })
})
