import { expect } from 'chai'
import { ParticleError } from '../../lib/errors.ts'
import { related } from '../../lib/index.ts'
import { type DependsOn, Server, type ServerOptions } from '../../lib/server/index.ts'
import { counted } from '../support/counted.ts'
import { LocalClient, until } from '../support/local.ts'

describe('Identities that depend on documents', () => {
  const servers: Server[] = []
  const clients: LocalClient[] = []
  const errors: Error[] = []
  let { store, open } = counted()
  let lookups: number
  let lookup: (user: string) => unknown

  const collection = (name: string) => store.collection(name)
  const teamsOf = async (user: string) =>
    (await collection('members').find({ user }).toArray()).map(({ team }) => team)
  const dependsOn = (): DependsOn => [{ collection: collection('members'), criteria: { user: '@user' } }]
  const serve = (options: Partial<ServerOptions> = {}) => {
    const server = new Server({
      identityLookup: ({ user }: { user: string }) => {
        lookups++
        return lookup(user)
      },
      dependsOn: dependsOn(),
      dataSources: {
        cards: {
          manifest: { text: true },
          collection: collection('cards'),
          criteria: { team: { $in: '@teams' } },
        },
      },
      onError: (error) => errors.push(error),
      ...options,
    })
    servers.push(server)
    return server
  }
  const connect = async (server: Server, user: string) => {
    const client = await LocalClient.connect(server, { user })
    clients.push(client)
    await until(() => client.ready)
    return client
  }
  const shows = (client: LocalClient, expected: unknown[]) =>
    until(
      () =>
        JSON.stringify((client.model.cards ?? []).map(({ _id }) => _id).sort()) === JSON.stringify(expected),
      String(expected),
    )

  beforeEach(async () => {
    ;({ store, open } = counted())
    errors.length = 0
    lookups = 0
    lookup = async (user) => ({ user, teams: await teamsOf(user) })
    await collection('cards').insertMany([
      { _id: 1, team: 'a', text: 'one' },
      { _id: 2, team: 'a', text: 'two' },
      { _id: 3, team: 'b', text: 'three' },
    ])
    await collection('members').insertMany([
      { _id: 'm1', user: 'ann', team: 'a' },
      { _id: 'm2', user: 'ben', team: 'b' },
    ])
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.stop()
    for (const server of servers.splice(0)) await server.disconnect()
    expect(open()).to.equal(0)
  })

  it('are looked up again when those change: joining a team opens its board at once, leaving it closes it', async () => {
    const server = serve()
    const [ann, ben] = [await connect(server, 'ann'), await connect(server, 'ben')]
    await shows(ann, [1, 2])
    await collection('members').insertOne({ _id: 'm3', user: 'ann', team: 'b' })
    await shows(ann, [1, 2, 3])
    await collection('members').deleteOne({ _id: 'm1' })
    await shows(ann, [3])
    await collection('cards').updateOne({ _id: 1 }, { $set: { text: 'hidden' } })
    await collection('members').updateOne({ _id: 'm3' }, { $set: { user: 'ben' } })
    await shows(ann, [])
    await shows(ben, [3])
    expect(JSON.stringify([ann.events, ben.events])).not.to.contain('hidden')
    expect(ann.of('reset')).to.deep.equal([])
    expect(errors).to.deep.equal([])
  })

  it('are looked up once more when a stream opens, since they may have changed before they were watched, and then only when something does', async () => {
    let found: unknown[] = []
    lookup = (user) => {
      const teams = found
      // As if the member had come right after the lookup had read.
      found = ['a', 'b']
      return { user, teams }
    }
    const ann = await connect(serve(), 'ann')
    await shows(ann, [1, 2, 3])
    expect(lookups).to.equal(2)
    await collection('members').updateOne({ _id: 'm2' }, { $set: { team: 'c' } })
    await collection('cards').insertOne({ _id: 4, team: 'b', text: 'four' })
    await shows(ann, [1, 2, 3, 4])
    expect(lookups).to.equal(2)
  })

  it('are looked up once for all changes of a moment', async () => {
    const ann = await connect(serve(), 'ann')
    await until(() => lookups === 2)
    await collection('members').insertMany(
      Array.from({ length: 100 }, (_, index) => ({
        _id: index,
        user: 'ann',
        team: index < 99 ? `t${index}` : 'b',
      })),
    )
    await shows(ann, [1, 2, 3])
    expect(lookups).to.equal(3)
  })

  it('may depend on other documents once they are others', async () => {
    const server = serve({
      dependsOn: ({ user, teams }: { user: string; teams: string[] }, given: { user: string }) => [
        { collection: collection('members'), criteria: { user: given.user } },
        ...(user === 'ann' ? [{ collection: collection('teams'), criteria: { _id: { $in: teams } } }] : []),
      ],
    })
    await collection('teams').insertMany([
      { _id: 'a', open: true },
      { _id: 'b', open: false },
    ])
    lookup = async (user) => {
      const teams = await teamsOf(user)
      const shown = await collection('teams')
        .find({ _id: { $in: teams }, open: true })
        .toArray()
      return { user, teams: shown.map(({ _id }) => _id), all: teams }
    }
    const ann = await connect(server, 'ann')
    await shows(ann, [1, 2])
    await collection('teams').updateOne({ _id: 'a' }, { $set: { open: false } })
    await shows(ann, [])
  })

  it('end the stream where the lookup refuses or fails', async () => {
    const server = serve()
    const [ann, ben] = [await connect(server, 'ann'), await connect(server, 'ben')]
    await until(() => lookups === 4)
    lookup = (user) => {
      if (user === 'ann') return null
      throw new Error('the database is away')
    }
    await collection('members').updateMany({}, { $set: { team: 'c' } })
    await until(() => server.stats().connections === 0)
    expect(ann.events.at(-1)).to.deep.include({ name: 'revoked', data: { reason: 'identity-refused' } })
    expect(ben.names).not.to.include('revoked')
  })

  it('go with relations: each is told by what it depends on', async () => {
    const server = serve({
      dataSources: {
        cards: {
          manifest: true,
          collection: collection('cards'),
          criteria: { _id: related('@teams').through(collection('shown'), 'team', 'card') },
        },
      },
    })
    await collection('shown').insertMany([
      { _id: 1, team: 'a', card: 1 },
      { _id: 2, team: 'b', card: 3 },
    ])
    const ann = await connect(server, 'ann')
    await shows(ann, [1])
    await collection('members').insertOne({ _id: 'm3', user: 'ann', team: 'b' })
    await shows(ann, [1, 3])
    await collection('shown').insertOne({ _id: 3, team: 'b', card: 2 })
    await shows(ann, [1, 2, 3])
    await collection('members').deleteOne({ _id: 'm1' })
    await shows(ann, [2, 3])
  })

  it('report a dependsOn that is wrong, and go on', async () => {
    const server = serve({
      dependsOn: () => {
        throw new Error('oops')
      },
    })
    await shows(await connect(server, 'ann'), [1, 2])
    expect(errors.map((error) => (error as ParticleError).code)).to.deep.equal(['CALLBACK_FAILED'])
  })

  it('are refused at construction where they are declared wrongly', () => {
    const table: [dependsOn: unknown, sentence: RegExp][] = [
      [true, /dependsOn must be a list of \{ collection, criteria \}, or a function/],
      [[null], /dependsOn\[0\] must be \{ collection, criteria \}/],
      [[{ collection: 'members' }], /dependsOn\[0\].collection must be adapter.collection\(name\)/],
      [[{ collection: collection('members'), query: {} }], /dependsOn\[0\]: option "query" is not known/],
      [[{ collection: collection('members'), criteria: 1 }], /dependsOn\[0\].criteria must be a query/],
      [
        [{ collection: collection('members'), criteria: { _id: related('@a').through('b', 'c', 'd') } }],
        /dependsOn\[0\].criteria has a relation, where only plain values are allowed/,
      ],
    ]
    for (const [value, sentence] of table)
      expect(() => serve({ dependsOn: value as never })).to.throw(ParticleError, sentence)
    expect(() => serve({ identityLookup: undefined })).to.throw(
      /that identityLookup reads, but there is no identityLookup/,
    )
  })
})
