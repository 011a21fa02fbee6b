import { expect } from 'chai'
import { Server } from '../../../lib/server/index.ts'
import { LocalClient, until } from '../../support/local.ts'
import { reportsOf, sourcesOf } from '../sql/reports.ts'
import { eachDatabase, type TestDatabase } from './database.ts'

describe('source/mariadb/columns', () => {
  let db: TestDatabase
  eachDatabase(async (database) => {
    db = database
    await db.run(
      `CREATE TABLE tasks (id INT PRIMARY KEY, active TINYINT(1), bits BIT(1), status VARCHAR(20),
        mood ENUM('happy', 'sad'), createdAt DATETIME(3), seen TIMESTAMP NULL, due DATE, price DECIMAL(10,2),
        owner INT, big BIGINT, data JSON, tags SET('a', 'b'), twice INT AS (owner * 2), place POINT)`,
      'CREATE TABLE pairs (a INT, b VARCHAR(20), PRIMARY KEY (a, b))',
    )
  })

  const tasks = () => db.adapter(['tasks']).collection('tasks')

  it('tells of criteria that no row can match, with the type and the form of the values', async () => {
    const cases: [criteria: object, report: string][] = [
      [
        { active: true },
        '"active" with a boolean, but the column of the table tasks has the type tinyint(1)',
      ],
      [{ active: { $ne: false } }, 'the two never match: compare with a whole number'],
      [{ bits: true }, '"bits" with a boolean'],
      [{ status: 5 }, '"status" with a number'],
      [{ mood: 1 }, 'has the type enum, so that'],
      [{ owner: '5' }, '"owner" with a text'],
      [{ owner: { $in: ['5', '6'] } }, '"owner" with a text'],
      [{ owner: { $not: { $gt: '5' } } }, '"owner" with a text'],
      [{ owner: /5/ }, '"owner" with a pattern'],
      [{ owner: 1.5 }, '"owner" with a number of another form'],
      [{ big: '5' }, '"big" with a text of another form'],
      [{ _id: '5' }, '"_id" with a text'],
      [{ createdAt: new Date() }, 'compare with a text such as "2024-05-06T07:08:09.010"'],
      [{ createdAt: { $gt: Date.now() } }, '"createdAt" with a number'],
      [{ seen: '2024-05-06 07:08:09' }, '"seen" with a text of another form'],
      [{ due: '2024-05-06T00:00:00.000Z' }, 'compare with a text such as "2024-05-06"'],
      [{ price: 9.9 }, '"price" with a number, but the column of the table tasks has the type decimal(10,2)'],
      [{ price: '9.9' }, '"price" with a text of another form'],
      [{ price: { $gt: 20 } }, 'which is ordered as text, so that "9.90" comes after "77.00"'],
      [{ price: { $lte: '20.00' } }, 'the order of "price", but the column of the table tasks has the type'],
      [{ due: { $gt: '01.02.2024' } }, 'their order means nothing: compare with a text such as "2024-05-06"'],
      [{ seen: { $not: { $lt: 'tomorrow' } } }, '"seen" with a text of another form'],
      [{ tags: 1 }, '"tags" with a number'],
      [{ $or: [{ id: 1 }, { $and: [{ active: false }] }] }, '"active" with a boolean'],
      [
        { statuss: 'open' },
        'names "statuss", which is no column of the table tasks: "status" was perhaps meant',
      ],
      [{ createdat: null }, '"createdAt" was perhaps meant'],
      [{ deleted: { $ne: true } }, 'its columns are id, active, bits'],
      [{ 'status.code': 1 }, 'names "status.code", which leads into the column status of the table tasks'],
      [{ twice: 2 }, 'which is a generated column, or one of geometry, of the table tasks'],
      [() => ({ active: true }), '"active" with a boolean'],
    ]
    const { errors } = await reportsOf(
      sourcesOf(
        tasks(),
        cases.map(([criteria]) => criteria),
      ),
    )
    const found = cases.map((_, index) => errors.filter((one) => one.includes(`dataSources.n${index}.`)))
    for (const [index, [criteria, report]] of cases.entries()) {
      expect(found[index], JSON.stringify(criteria)).to.have.length(1)
      expect(found[index]?.[0]).to.include(report).and.include(`dataSources.n${index}.criteria`)
    }
    expect(errors).to.have.length(cases.length)
  })

  it('tells nothing of criteria that rows can match', async () => {
    const valid = [
      { active: 1, bits: 0, status: 'open', mood: 'sad', owner: 5, tags: 'a' },
      { createdAt: '2024-05-06T07:08:09.010', seen: new Date(), due: { $gte: '2024' }, price: '9.90' },
      { createdAt: { $gt: new Date() }, due: { $lt: new Date() }, seen: { $gt: '2024-05' } },
      { owner: { $in: [5, '5'] }, big: { $in: ['9007199254740993'] }, status: { $in: [] } },
      { status: null, active: { $ne: null }, owner: { $exists: true }, tags: ['a', 'b'] },
      { 'data.kind': true, data: { kind: 1 }, 'tags.0': 'a' },
      { status: /^o/, owner: { $type: 'number' }, $comment: 'all' },
      { status: '@name', owner: '@id', mood: { $in: '@moods' } },
    ]
    const identity = { name: 'Ada', id: 7, moods: ['sad'] }
    expect(await reportsOf(sourcesOf(tasks(), valid), identity)).to.deep.equal({ errors: [], hints: [] })
  })

  it('tells of a manifest and a sort that name no column', async () => {
    const { errors, hints } = await reportsOf({
      tasks: {
        manifest: { statsu: true, owner: true, data: { kind: true }, active: { on: true }, ownr: true },
        collection: tasks(),
        sort: { createdat: -1, price: 1, 'data.at': 1 },
      },
    })
    expect(errors.sort()).to.deep.equal([
      'dataSources.tasks.manifest names "statsu", which is no column of the table tasks: "status" was perhaps ' +
        'meant',
      'dataSources.tasks.sort names "createdat", which is no column of the table tasks: "createdAt" was ' +
        'perhaps meant',
      'dataSources.tasks.sort sorts by "price", but the column of the table tasks has the type decimal(10,2), ' +
        'which is ordered as text, so that "9.90" comes after "77.00": store an integer, such as cents, or a ' +
        'double',
    ])
    expect(hints.join()).to.include(
      'names "active.on", which leads into the column active of the table tasks',
    )
    expect(hints.join()).to.include('names "ownr", which is no column of the table tasks: "owner" was')
    expect(hints).to.have.length(2)
  })

  it('names no value of an identity or a function', async () => {
    const { errors } = await reportsOf(
      {
        own: { manifest: true, collection: tasks(), criteria: { owner: '@user' } },
        listed: { manifest: true, collection: tasks(), criteria: { owner: { $in: '@users' } } },
        made: {
          manifest: true,
          collection: tasks(),
          criteria: ({ user }) => ({ owner: user, [`of_${user}`]: 1 }),
        },
      },
      { user: 'secret-7', users: ['secret-8'] },
    )
    expect(errors).to.have.length(4)
    expect(errors.join()).to.include('dataSources.made.criteria names a field, which is no column')
    expect(errors.join()).not.to.include('secret')
  })

  it('knows the _id of several columns', async () => {
    const pairs = db.adapter(['pairs']).collection('pairs')
    const { errors } = await reportsOf(
      sourcesOf(pairs, [{ _id: 5 }, { '_id.c': 5 }, { '_id.a': '5' }, { '_id.a': 5, _id: { a: 1, b: 'x' } }]),
    )
    expect(errors.sort()).to.have.length(3)
    expect(errors[0]).to.include('the type primary key (a, b), so that the two never match')
    expect(errors[1]).to.include('names "_id.c", which is no column of the primary key (a, b)')
    expect(errors[2]).to.include('compares "_id.a" with a text')
  })

  it('judges by the _id alone where a column is the document', async () => {
    const documents = db.adapter([]).collection('tasks', { document: 'data' })
    const { errors } = await reportsOf(sourcesOf(documents, [{ active: true, nothing: 1 }, { _id: '5' }]))
    expect(errors).to.have.length(1)
    expect(errors[0]).to.include('compares "_id" with a text')
  })

  it('shows the rows once the column is there', async () => {
    const errors: string[] = []
    const server = new Server({
      dataSources: { tasks: { manifest: { late: true }, collection: tasks(), criteria: { late: 1 } } },
      onError: ({ message }) => errors.push(message),
    })
    const client = await LocalClient.connect(server)
    await until(() => client.ready, 'the client is ready')
    expect(errors).to.have.length(1)
    await db.run('ALTER TABLE tasks ADD COLUMN late INT', 'INSERT INTO tasks (id, late) VALUES (1, 1)')
    await until(() => client.model.tasks?.length === 1, 'the row is shown')
    await db.run('ALTER TABLE tasks RENAME COLUMN late TO later')
    await until(() => client.model.tasks?.length === 0, 'the row is gone')
    expect(errors).to.have.length(1)
    client.stop()
    await server.disconnect()
  })
})
