import { expect } from 'chai'
import { Binary, Decimal128, ObjectId } from 'mongodb'
import { type LocalClient, until } from '../../support/local.ts'
import { eachDatabase, type TestDatabase } from './database.ts'

const id = new ObjectId()
const at = new Date('2024-05-06T07:08:09.010Z')

describe('source/mongo on ids that are one in JSON', () => {
  let database: TestDatabase
  let errors: readonly string[]

  eachDatabase((fresh) => {
    database = fresh
    errors = fresh.errors
  })

  const insert = (...ids: unknown[]) =>
    database.db.collection('items').insertMany(ids.map((_id) => ({ _id })) as never)

  async function connect(): Promise<LocalClient> {
    const local = await database.serve(['items'])
    await until(() => local.ready)
    return local
  }

  for (const [first, second, named] of [
    [id, id.toHexString(), `ObjectId "${id}"`],
    [at, at.toISOString(), `Date "${at.toISOString()}"`],
    [Decimal128.fromString('1.50'), '1.50', 'Decimal128 "1.50"'],
    [new Binary(Buffer.from('abc'), 0), 'YWJj', 'Binary "YWJj"'],
  ] as [object, string, string][]) {
    it(`names ${named} and its text where both are read`, async () => {
      await insert(first, second, 7)
      const local = await connect()
      await until(() => errors.length > 0)
      expect(errors[0]).to.include('The collection items has two documents').and.include(named)
      expect(errors[0]).to.include(`String ${JSON.stringify(second)}`)
      expect(local.of('error')).to.deep.equal([])
    })

    it(`names ${named} and its text where the second is inserted later`, async () => {
      await insert(first)
      const local = await connect()
      await insert(second)
      await until(() => errors.length > 0)
      await insert(`${second}!`, 8)
      await until(() => (local.model.items?.length ?? 0) >= 3)
      expect(errors).to.have.lengthOf(1)
      expect(errors[0]).to.include(named).and.include('Use one type for all _ids of a collection')
      expect(local.of('error')).to.deep.equal([])
    })
  }

  it('names an ObjectId and its text within objects, read or inserted later', async () => {
    await insert({ user: id, day: 1 })
    const local = await connect()
    await insert({ user: `${id}`, day: 1 })
    await until(() => errors.length > 0)
    expect(errors[0]).to.include('Object { user: ObjectId, day: number }')
    expect(errors[0]).to.include('Object { user: String, day: number }')
    expect(local.of('error')).to.deep.equal([])
  })

  it('names objects of the same fields in another order', async () => {
    await insert({ a: 1, b: 2 }, { b: 2, a: 1 })
    const local = await connect()
    await until(() => errors.length > 0)
    expect(errors[0]).to.include('Object { b: number, a: number } {"b":2,"a":1}')
    expect(local.of('error')).to.deep.equal([])
  })

  it('keeps ids apart that differ in JSON', async () => {
    await insert(1, '1', id, `${new ObjectId()}`, at, 'x', null, { a: 1 }, { b: 1 })
    const local = await connect()
    await insert(2, '2', new ObjectId())
    await until(() => local.model.items?.length === 12)
    expect(errors).to.deep.equal([])
  })
})
