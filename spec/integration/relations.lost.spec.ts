import { expect } from 'chai'
import { related } from '../../lib/index.ts'
import { Server } from '../../lib/server/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import type { ChangeListener } from '../../lib/source/source.ts'
import { LocalClient, until } from '../support/local.ts'

/** A memory store whose history can be lost, and whose links are read only when they are let through. */
function forgetful() {
  const store = memory()
  const { open, read } = { open: store.open.bind(store), read: store.read.bind(store) }
  let told: ChangeListener | undefined
  let isDeaf = false
  let letThrough = () => {}
  let reading = Promise.resolve()
  store.open = (listener, from) => {
    told = listener
    return open({ ...listener, changes: (...given) => isDeaf || listener.changes(...given) }, from)
  }
  store.read = async (collection, ...given) => {
    if (collection === 'links') await reading
    return await read(collection, ...given)
  }
  return {
    store,
    /** Tells of no changes from now on. */
    goDeaf: () => {
      isDeaf = true
    },
    /** Says that the history is lost, and tells of changes again. The links are read only after the returned call. */
    lose: async (): Promise<() => void> => {
      reading = new Promise((resolve) => {
        letThrough = resolve
      })
      const { to } = await read('none', {}, () => {})
      isDeaf = false
      told?.lost('a spec', to)
      return letThrough
    },
  }
}

describe('What clients are related to, after a lost history', () => {
  const clients: LocalClient[] = []
  let server: Server
  let source: ReturnType<typeof forgetful>

  beforeEach(async () => {
    source = forgetful()
    const { store } = source
    await store.collection('links').insertOne({ _id: 1, user: 'ann', team: 'red' })
    await store.collection('tasks').insertMany([
      { _id: 1, team: 'red', text: 'old' },
      { _id: 2, team: 'blue', text: 'old' },
    ])
    const team = related('@user').through(store.collection('links'), 'user', 'team')
    server = new Server({
      identityLookup: (given: unknown) => given,
      dataSources: {
        tasks: { manifest: { text: true }, collection: store.collection('tasks'), criteria: { team } },
      },
    })
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) client.stop()
    await server.disconnect()
  })

  const connect = async () => {
    const client = await LocalClient.connect(server, { user: 'ann' })
    clients.push(client)
    await until(() => client.ready)
    return client
  }
  const shows = (client: LocalClient, ...texts: string[]) =>
    until(() => (client.model.tasks ?? []).map(({ text }) => text).join() === texts.join(), texts.join())

  it('is not shown by the links of before the loss', async () => {
    const { store, goDeaf, lose } = source
    const ann = await connect()
    goDeaf()
    await store.collection('links').updateOne({ _id: 1 }, { $set: { team: 'blue' } })
    await store.collection('tasks').updateOne({ _id: 1 }, { $set: { text: 'hidden' } })
    await store.collection('tasks').updateOne({ _id: 2 }, { $set: { text: 'new' } })
    const letThrough = await lose()
    // What is read without the links would have come by now.
    await new Promise((resolve) => setTimeout(resolve, 50))
    letThrough()
    await shows(ann, 'new')
    expect(JSON.stringify(ann.events)).not.to.contain('hidden')
  })

  it('comes with what changed once the links were read, where these are the same', async () => {
    const { store, goDeaf, lose } = source
    const ann = await connect()
    goDeaf()
    await store.collection('tasks').updateOne({ _id: 1 }, { $set: { text: 'new' } })
    ;(await lose())()
    await shows(ann, 'new')
    await store.collection('tasks').updateOne({ _id: 1 }, { $set: { text: 'newer' } })
    await shows(ann, 'newer')
    expect(ann.names.filter((name) => name === 'reset')).to.deep.equal([])
  })
})
