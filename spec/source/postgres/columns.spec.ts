import { expect } from 'chai'
import { reportsOf, sourcesOf } from '../sql/reports.ts'
import { eachDatabase, type TestDatabase } from './database.ts'

describe('source/postgres/columns on a real server', () => {
  let db: TestDatabase
  eachDatabase(async (database) => {
    db = database
    await db.run(
      "CREATE TYPE mood AS ENUM ('happy', 'sad')",
      'CREATE DOMAIN amount AS numeric(10,2)',
      `CREATE TABLE tasks (id integer PRIMARY KEY, active boolean, status varchar(20), mood mood,
        "createdAt" timestamptz, local timestamp, due date, createdby integer, code char(4), key uuid,
        price numeric(10,2), cost amount, owner bigint, data jsonb, tags text[], counts integer[],
        twice integer GENERATED ALWAYS AS (id * 2) STORED)`,
    )
  })

  const tasks = async () => (await db.adapter('replication', ['tasks'])).collection('tasks')

  it('tells of criteria that no row can match, with the type and the form of the values', async () => {
    const cases: [criteria: object, report: string][] = [
      [{ active: 1 }, '"active" with a number, but the column of the table tasks has the type boolean'],
      [{ active: 'true' }, 'the two never match: compare with true or false'],
      [{ status: 5 }, 'has the type character varying(20)'],
      [{ mood: true }, 'has the type public.mood'],
      [{ owner: '5' }, '"owner" with a text of another form'],
      [{ local: new Date() }, 'compare with a text such as "2024-05-06T07:08:09.010"'],
      [{ createdAt: { $gt: Date.now() } }, 'has the type timestamp with time zone'],
      [{ createdAt: '2024-05-06 07:08:09+00' }, '"createdAt" with a text of another form'],
      [{ due: new Date() }, 'compare with a text such as "2024-05-06"'],
      [{ code: 'ab' }, 'has the type character(4), so that'],
      [{ key: '2F1B8E9C-0D3A-4C5B-9E7F-6A1D2C3B4E5F' }, 'compare with a text in lower case'],
      [{ price: 9.9 }, '"price" with a number, but the column of the table tasks has the type numeric(10,2)'],
      [{ price: '9.9' }, '"price" with a text of another form'],
      [{ price: { $gt: 20 } }, 'which is ordered as text, so that "9.90" comes after "77.00"'],
      [{ price: { $lte: '20.00' } }, 'the order of "price", but the column of the table tasks has the type'],
      [{ due: { $gt: '01.02.2024' } }, 'their order means nothing: compare with a text such as "2024-05-06"'],
      [{ createdAt: { $not: { $lt: 'tomorrow' } } }, '"createdAt" with a text of another form'],
      [{ cost: 9.9 }, 'has the type public.amount'],
      [{ counts: '5' }, 'has the type integer[]'],
      [{ createdat: '2024' }, 'names "createdat", which is no column of the table tasks: "createdAt" was'],
      [{ createdBy: 5 }, 'names "createdBy", which is no column of the table tasks: "createdby" was'],
      [{ 'status.code': 1 }, 'names "status.code", which leads into the column status of the table tasks'],
      [{ twice: 2 }, 'names "twice", which is a generated column of the table tasks'],
    ]
    const { errors } = await reportsOf(
      sourcesOf(
        await tasks(),
        cases.map(([criteria]) => criteria),
      ),
    )
    for (const [index, [criteria, report]] of cases.entries()) {
      const found = errors.filter((one) => one.includes(`dataSources.n${index}.criteria`))
      expect(found, JSON.stringify(criteria)).to.have.length(1)
      expect(found[0]).to.include(report)
    }
    expect(errors).to.have.length(cases.length)
  })

  it('tells nothing of criteria that rows can match', async () => {
    const valid = [
      { active: true, status: 'open', mood: 'sad', owner: 5, tags: 'a', counts: { $gt: 1 }, code: 'ab  ' },
      { createdAt: new Date(), local: '2024-05-06T07:08:09.010', due: { $gte: '2024' }, price: '9.90' },
      { createdAt: { $lt: 'infinity' }, local: { $gt: new Date() }, due: '0044-03-15 BC', cost: '9.9' },
      { createdAt: 'infinity', owner: '9007199254740993', price: 'NaN', 'counts.0': 1, counts: [1] },
      { 'data.kind': true, data: [1], tags: ['a'], key: '2f1b8e9c-0d3a-4c5b-9e7f-6a1d2c3b4e5f' },
      { status: '@name', owner: { $in: '@ids' }, due: { $lt: new Date() }, createdAt: { $gt: '2024-05' } },
    ]
    const identity = { name: 'Ada', ids: [7] }
    expect(await reportsOf(sourcesOf(await tasks(), valid), identity)).to.deep.equal({
      errors: [],
      hints: [],
    })
  })

  it('tells of a manifest and a sort that name no column', async () => {
    const manifest = { createdat: true as const, twice: true as const, data: { kind: true as const } }
    const { errors } = await reportsOf({
      tasks: { manifest, collection: await tasks(), sort: { creatdby: -1, price: 1, 'data.at': 1 } },
    })
    expect(errors.sort()).to.deep.equal([
      'dataSources.tasks.manifest names "createdat", which is no column of the table tasks: "createdAt" was ' +
        'perhaps meant',
      'dataSources.tasks.sort names "creatdby", which is no column of the table tasks: "createdby" was ' +
        'perhaps meant',
      'dataSources.tasks.sort sorts by "price", but the column of the table tasks has the type numeric(10,2), ' +
        'which is ordered as text, so that "9.90" comes after "77.00": store an integer, such as cents, or a ' +
        'double',
    ])
  })
})
