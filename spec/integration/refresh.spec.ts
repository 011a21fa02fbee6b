import { expect } from 'chai'
import { MongoClient } from 'mongodb'
import { Server } from '../../lib/server/index.ts'
import { MongoWatch, mongo } from '../../lib/source/mongo/index.ts'
import { LocalClient, until } from '../support/local.ts'
import { mongoOrSkip } from '../support/mongod.ts'

describe('Rights that are told to all nodes by a collection, as docs/guides/nodes.md has it', function () {
  this.timeout(60_000)
  const database = `refresh${process.pid}`
  const nodes: { client: MongoClient; server: Server; watcher: MongoWatch }[] = []
  let url: string
  let client: MongoClient

  before(async function () {
    url = (await mongoOrSkip(this)).url
    client = new MongoClient(url)
  })

  after(async () => {
    for (const { server, watcher, client } of nodes) {
      await server.disconnect()
      await watcher.stopAll()
      await client.close()
    }
    await client?.db(database).dropDatabase()
    await client?.close()
  })

  const startNode = async () => {
    const client = new MongoClient(url)
    const db = client.db(database)
    const server = new Server({
      secret: 'the secret of all nodes',
      identityLookup: async ({ userId }: { userId: number }) => {
        const user = await db.collection<{ _id: number; team: string }>('users').findOne({ _id: userId })
        return user && { userId, team: user.team }
      },
      dataSources: {
        tasks: { collection: mongo(db).collection('tasks'), manifest: true, criteria: { team: '@team' } },
      },
    })
    const watcher = new MongoWatch({ client })
    await watcher.watch(`${database}.rightsChanged`, ({ oplist }) => {
      for (const { operation, data } of oplist) {
        const { userId } = Object(data) as { userId?: number }
        if (operation === 'set')
          void server.refresh((identity: { userId: number }) => identity.userId === userId)
      }
    }).ready
    nodes.push({ client, server, watcher })
    return server
  }

  it('gives the clients of each node what they may see now, and nobody else anything', async () => {
    const db = client.db(database)
    const users = db.collection<{ _id: number; team: string }>('users')
    await users.insertMany([
      { _id: 1, team: 'a' },
      { _id: 2, team: 'a' },
    ])
    await db.collection<{ _id: number; team: string }>('tasks').insertMany([
      { _id: 10, team: 'a' },
      { _id: 20, team: 'b' },
    ])
    const servers = [await startNode(), await startNode()]
    const moved = await Promise.all(servers.map((server) => LocalClient.connect(server, { userId: 1 })))
    const other = await LocalClient.connect(servers[1] as Server, { userId: 2 })
    await until(() => [...moved, other].every(({ ready }) => ready), 'all are ready', 20_000)

    await users.updateOne({ _id: 1 }, { $set: { team: 'b' } })
    await db.collection('rightsChanged').insertOne({ userId: 1, at: new Date() })
    const ids = ({ model }: LocalClient) => model.tasks?.map(({ _id }) => _id)
    await until(() => moved.every((one) => `${ids(one)}` === '20'), 'both have the new view', 20_000)
    expect(ids(other)).to.deep.equal([10])
    expect(moved.flatMap(({ names }) => names)).not.to.include('reset')
    for (const one of [...moved, other]) one.stop()
  })
})
