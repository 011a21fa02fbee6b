import { expect } from 'chai'
import fc from 'fast-check'
import { type Collection, type Db, MongoClient, ObjectId } from 'mongodb'
import { related } from '../../lib/index.ts'
import { Server } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { mongo } from '../../lib/source/mongo/index.ts'
import type { CollectionHandle } from '../../lib/source/source.ts'
import { LocalClient, until } from '../support/local.ts'
import { mongoOrSkip } from '../support/mongod.ts'

/** A document of any of the collections, with ids of any kind that has a text. */
interface Row {
  _id: unknown
  [field: string]: unknown
}

/** What the memory's collections and the driver's have in common, as far as it is needed here. */
interface Table {
  insertOne(row: Row): Promise<unknown>
  updateOne(filter: object, update: object): Promise<unknown>
  replaceOne(filter: object, row: object): Promise<unknown>
  deleteOne(filter: object): Promise<unknown>
  deleteMany(filter: object): Promise<unknown>
  find(): { toArray(): Promise<Row[]> }
}

interface World {
  tables: Record<'stuffs' | 'userstuffs' | 'members' | 'grants', Table>
  handle: (name: string) => CollectionHandle
  /** The id of a number. */
  id: (n: number) => unknown
}

interface Write {
  table: 'stuffs' | 'userstuffs' | 'members' | 'grants'
  kind: 'insert' | 'update' | 'replace' | 'delete'
  row: number
  one: number
  two: number
  /** How the writes after it come: at once, a moment later, or once all clients are quiet. */
  next: 'at once' | 'soon' | 'at rest'
}

const USERS = [0, 1, 2]
const below = (n: number) => fc.nat({ max: n - 1 })
const WRITES = fc.array(
  fc.record<Write>({
    table: fc.constantFrom('stuffs', 'userstuffs', 'userstuffs', 'members', 'grants'),
    kind: fc.constantFrom('insert', 'insert', 'update', 'update', 'replace', 'delete'),
    row: below(6),
    one: below(3),
    two: below(6),
    next: fc.constantFrom('at once', 'at once', 'soon', 'at rest'),
  }),
  { minLength: 10, maxLength: 40 },
)

const RELATIONS = {
  own: '@user|users._id>userstuffs._id>stuffs._id',
  granted: related('@user').through('members', 'user', 'team').through('grants', 'team', 'stuff'),
}

function serve({ handle }: World, errors: Error[]): Server {
  const source = (criteria: Record<string, unknown>) => ({
    manifest: { text: true } as const,
    collection: handle('stuffs'),
    criteria,
  })
  return new Server({
    identityLookup: (given: unknown) => given,
    cacheConfig: {
      users: {},
      userstuffs: { userId: 'users._id', stuffId: 'stuffs._id' },
      stuffs: {},
      members: {},
      grants: {},
    },
    dataSources: {
      own: source({ _id: RELATIONS.own }),
      granted: source({ _id: RELATIONS.granted }),
      either: source({
        $or: [{ _id: RELATIONS.own }, { _id: { $in: [RELATIONS.granted] } }],
        text: { $ne: 't0' },
      }),
    },
    onError: (error) => errors.push(error),
  })
}

async function write({ tables, id }: World, { table, kind, row, one, two }: Write): Promise<void> {
  const rows: Record<Write['table'], object> = {
    stuffs: { text: `t${one}` },
    userstuffs: { userId: id(one), stuffId: id(two) },
    members: { user: id(one), team: `team ${two % 2}` },
    grants: { team: `team ${one % 2}`, stuff: two % 2 ? id(two) : [id(two), id((two + 1) % 6)] },
  }
  const [first = ''] = Object.keys(rows[table])
  const into = tables[table]
  const filter = { _id: id(row) }
  if (kind === 'insert') await into.insertOne({ ...filter, ...rows[table] }).catch(() => {})
  else if (kind === 'update')
    await into.updateOne(filter, { $set: two % 2 ? rows[table] : { [first]: (rows[table] as Row)[first] } })
  else if (kind === 'replace') await into.replaceOne(filter, rows[table])
  else await into.deleteOne(filter)
}

/** The ids that a user is related to, worked out from all links. */
async function linksOf({ tables, id }: World, user: number): Promise<{ own: string[]; granted: string[] }> {
  const texts = (value: unknown) => (Array.isArray(value) ? value.map(String) : [String(value)])
  const isUser = (value: unknown) => String(value) === String(id(user))
  const userstuffs = await tables.userstuffs.find().toArray()
  const members = await tables.members.find().toArray()
  const grants = await tables.grants.find().toArray()
  const teams = members.filter((row) => isUser(row.user)).map(({ team }) => team)
  return {
    own: userstuffs.filter(({ userId }) => isUser(userId)).flatMap(({ stuffId }) => texts(stuffId)),
    granted: grants.filter(({ team }) => teams.includes(team)).flatMap(({ stuff }) => texts(stuff)),
  }
}

/** What a user is to hold, by root. */
async function truth(world: World, user: number): Promise<Record<string, unknown[]>> {
  const { own, granted } = await linksOf(world, user)
  const stuffs = await world.tables.stuffs.find().toArray()
  const pick = (ids: readonly string[], more: (row: Row) => boolean = () => true) =>
    stuffs
      .filter((row) => ids.includes(String(row._id)) && more(row))
      .map(({ _id, text }) => ({ _id: inJson(_id), text }))
  return {
    own: pick(own),
    granted: pick(granted),
    either: pick([...own, ...granted], ({ text }) => text !== 't0'),
  }
}

const inJson = (value: unknown) => JSON.parse(JSON.stringify(value))

const inOrder = (model: Record<string, unknown[]>) =>
  Object.fromEntries(
    ['own', 'granted', 'either'].map((root) => [
      root,
      (model[root] ?? []).map((row) => JSON.stringify(row)).sort(),
    ]),
  )

async function holds(world: World, writes: readonly Write[]): Promise<void> {
  const errors: Error[] = []
  const server = serve(world, errors)
  const clients: { user: number; client: LocalClient }[] = []
  const everRelated = USERS.map(() => new Set<string>())
  const connect = async (user: number) => {
    const identity = { user: inJson(world.id(user)) }
    clients.push({ user, client: await LocalClient.connect(server, identity) })
  }
  const note = async () => {
    for (const user of USERS) {
      const { own, granted } = await linksOf(world, user)
      for (const id of [...own, ...granted]) everRelated[user]?.add(id)
    }
  }
  const rest = async () => {
    for (const { user, client } of clients) {
      const expected = JSON.stringify(inOrder(await truth(world, user)))
      const agrees = () => client.ready && JSON.stringify(inOrder(client.model)) === expected
      await until(agrees, 'agrees', 4_000).catch(() => {})
      expect(JSON.stringify(inOrder(client.model)), `user ${user}`).to.equal(expected)
    }
  }
  try {
    for (let row = 0; row < 6; row++)
      await world.tables.stuffs.insertOne({ _id: world.id(row), text: `t${row % 3}` })
    await world.tables.userstuffs.insertOne({ _id: world.id(0), userId: world.id(0), stuffId: world.id(1) })
    await note()
    for (const user of USERS) await connect(user)
    for (const [index, each] of writes.entries()) {
      await write(world, each)
      await note()
      if (index === 8) await connect(1)
      if (each.next === 'soon') await new Promise((resolve) => setImmediate(resolve))
      if (each.next === 'at rest') await rest()
    }
    await rest()
    for (const { user, client } of clients) {
      const mentioned = client.events.flatMap(({ name, data }) =>
        name === 'payload'
          ? data.data.map(({ _id }: Row) => _id)
          : name === 'delta'
            ? data.oplist.map((op: { id: unknown }) => op.id)
            : [],
      )
      expect(mentioned.filter((id) => !everRelated[user]?.has(String(id)))).to.deep.equal([])
    }
    expect(errors).to.deep.equal([])
  } finally {
    for (const { client } of clients) client.stop()
    await server.disconnect()
  }
}

describe('Whatever is written, each client holds what it is related to, and hears of nothing else', () => {
  it('on memory', async function () {
    this.timeout(120_000)
    await fc.assert(
      fc.asyncProperty(WRITES, async (writes) => {
        const store = memory()
        const handle = (name: string) => store.collection(name)
        const tables = Object.fromEntries(
          ['stuffs', 'userstuffs', 'members', 'grants'].map((name) => [name, handle(name)]),
        ) as unknown as World['tables']
        await holds({ tables, handle, id: (n) => n }, writes)
      }),
      { numRuns: 40 },
    )
  })

  describe('on MongoDB', function () {
    this.timeout(120_000)
    let client: MongoClient
    let db: Db

    before(async function () {
      client = await new MongoClient((await mongoOrSkip(this)).url).connect()
      db = client.db('relations')
    })
    after(() => client?.close())

    it('by ids of its own', async () => {
      const table = (name: string) => db.collection(name) as unknown as Collection<Row> & Table
      const ids = Array.from({ length: 6 }, () => new ObjectId())
      await fc.assert(
        fc.asyncProperty(WRITES, async (writes) => {
          const tables = {
            stuffs: table('stuffs'),
            userstuffs: table('userstuffs'),
            members: table('members'),
            grants: table('grants'),
          }
          for (const each of Object.values(tables)) await each.deleteMany({})
          const source = mongo(db)
          await holds({ tables, handle: (name) => source.collection(name), id: (n) => ids[n] }, writes)
        }),
        { numRuns: 5, endOnFailure: true },
      )
    })
  })
})
