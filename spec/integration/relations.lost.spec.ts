import { expect } from 'chai'
import { related } from '../../lib/index.ts'
import { Server, type ServerOptions } from '../../lib/server/index.ts'
import { HeldSource } from '../support/held-source.ts'
import { LocalClient, until } from '../support/local.ts'

/** Nobody is shown what was written after the end of the right to it, in whatever order a source is read. */
describe('Rights by documents', () => {
  const clients: LocalClient[] = []
  let server: Server
  let source: HeldSource

  const collection = (name: string) => source.store.collection(name)
  const teamOf = async (user: string) => (await collection('links').findOne({ user }))?.team
  const byRelation = () => ({
    criteria: { team: related('@user').through(collection('links'), 'user', 'team') },
  })
  const serve = (source: { criteria: unknown }, options: Partial<ServerOptions> = {}) => {
    server = new Server({
      identityLookup: (given: unknown) => given,
      dataSources: { tasks: { manifest: { text: true }, collection: collection('tasks'), ...source } },
      ...options,
    } as ServerOptions)
  }
  const serveByLookup = () =>
    serve({ criteria: { team: '@team' } }, {
      identityLookup: async ({ user }: { user: string }) => ({ user, team: await teamOf(user) }),
      dependsOn: [{ collection: collection('links'), criteria: { user: '@user' } }],
    } as Partial<ServerOptions>)
  const connect = async () => {
    const client = await LocalClient.connect(server, { user: 'ann' })
    clients.push(client)
    await until(() => client.ready)
    return client
  }
  const shows = (client: LocalClient, ...texts: string[]) =>
    until(() => (client.model.tasks ?? []).map(({ text }) => text).join() === texts.join(), texts.join())
  const leave = () => collection('links').updateOne({ _id: 1 }, { $set: { team: 'blue' } })
  const come = () => collection('links').updateOne({ _id: 1 }, { $set: { team: 'red' } })
  const write = (_id: number, text: string) => collection('tasks').updateOne({ _id }, { $set: { text } })
  /** Gives everything that would come too early the time to come. */
  const pass = () => new Promise((resolve) => setTimeout(resolve, 50))
  const expectHidden = (client: LocalClient) => expect(JSON.stringify(client.events)).not.to.contain('hidden')
  const expectNoReset = (client: LocalClient) => expect(client.of('reset')).to.deep.equal([])

  beforeEach(async () => {
    source = new HeldSource()
    await collection('links').insertOne({ _id: 1, user: 'ann', team: 'red' })
    await collection('tasks').insertMany([
      { _id: 1, team: 'red', text: 'old' },
      { _id: 2, team: 'blue', text: 'old' },
    ])
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.stop()
    await server.disconnect()
  })

  describe('whose end is reported together with later changes', () => {
    beforeEach(() => serve(byRelation()))

    it('end before those', async () => {
      const ann = await connect()
      source.hold()
      await leave()
      await write(1, 'hidden')
      await write(2, 'new')
      source.report()
      await shows(ann, 'new')
      expectHidden(ann)
      expectNoReset(ann)
    })

    it('end before the other changes of their transaction', async () => {
      const ann = await connect()
      await Promise.all(source.store.transact(() => [write(1, 'hidden'), leave(), write(2, 'new')]))
      await shows(ann, 'new')
      expectHidden(ann)
      expectNoReset(ann)
    })

    it('end before those of writes that began in the same step', async () => {
      const ann = await connect()
      await Promise.all([leave(), write(1, 'hidden'), write(2, 'new')])
      await shows(ann, 'new')
      expectHidden(ann)
    })

    it('show nothing of the time without them, once they are back', async () => {
      const ann = await connect()
      source.hold()
      await write(1, 'newer')
      await leave()
      await write(1, 'hidden')
      await write(1, 'newest')
      await come()
      source.report()
      await shows(ann, 'newest')
      expectHidden(ann)
      expectNoReset(ann)
      await write(1, 'last')
      await shows(ann, 'last')
    })
  })

  for (const [how, serveSo] of [
    ['a relation', () => serve(byRelation())],
    ['a lookup of the identity', serveByLookup],
  ] as const) {
    describe(`by ${how}, while the documents that they follow from are read again`, () => {
      beforeEach(serveSo)

      it('show nothing after a lost history', async () => {
        const ann = await connect()
        source.hold()
        await leave()
        await write(1, 'hidden')
        await write(2, 'new')
        source.holdReads('links')
        await source.lose()
        await pass()
        await write(1, 'hidden too')
        await pass()
        source.letThrough('links')
        await shows(ann, 'new')
        expectHidden(ann)
        await write(2, 'newer')
        await shows(ann, 'newer')
      })

      it('show what changed once they are known to be the same', async () => {
        const ann = await connect()
        source.hold()
        await write(1, 'new')
        await source.lose()
        await shows(ann, 'new')
        await write(1, 'newer')
        await shows(ann, 'newer')
        expectNoReset(ann)
      })

      it('show nothing that is written after the documents were removed at once', async () => {
        const ann = await connect()
        source.holdReads('links')
        await collection('links').drop()
        await write(1, 'hidden')
        await pass()
        source.letThrough('links')
        await shows(ann)
        expectHidden(ann)
        await collection('links').insertOne({ _id: 1, user: 'ann', team: 'blue' })
        await shows(ann, 'old')
      })

      it('show nothing to who comes meanwhile', async () => {
        const ann = await connect()
        source.hold()
        await leave()
        await write(1, 'hidden')
        source.holdReads('links')
        await source.lose()
        const coming = connect()
        await pass()
        source.letThrough('links')
        await shows(await coming, 'old')
        expectHidden(await coming)
        await shows(ann, 'old')
        expectHidden(ann)
      })
    })
  }

  describe('while a relation is read again, and the rights are granted anew meanwhile', () => {
    beforeEach(async () => {
      await collection('people').insertOne({ _id: 'ann', user: 'ann' })
      serve(byRelation(), {
        dependsOn: [{ collection: collection('people'), criteria: { user: '@user' } }],
      } as Partial<ServerOptions>)
    })

    for (const [how, grantAnew] of [
      ['by the lookup after the loss', async () => {}],
      ['by a refresh', () => server.refresh({})],
      [
        'by many refreshes',
        async () => {
          for (let times = 0; times < 5; times++) {
            await server.refresh({})
            await pass()
          }
        },
      ],
    ] as const)
      it(`${how}, show nothing that was written after their end`, async () => {
        const ann = await connect()
        source.hold()
        await leave()
        source.holdReads('links')
        await source.lose()
        await write(1, 'hidden')
        await grantAnew()
        await pass()
        source.letThrough('links')
        await shows(ann, 'old')
        expectHidden(ann)
      })
  })

  it('show nothing when they are lost during the read of what they show', async () => {
    serve(byRelation())
    const ann = await connect()
    source.holdReads('tasks')
    await leave()
    await pass()
    source.holdReads('links')
    await collection('links').drop()
    await write(2, 'hidden')
    source.letThrough('tasks')
    await pass()
    source.letThrough('links')
    await shows(ann)
    await write(2, 'hidden too')
    await pass()
    expectHidden(ann)
  })
})
