import { createCollection, createLiveQueryCollection, eq } from '@tanstack/db'
import { expect } from 'chai'
import { Client, Server } from '../../lib/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import type { CollectionHandle } from '../../lib/source/source.ts'
import { particleCollectionOptions } from '../../lib/tanstack/index.ts'
import { eventually, type Listening, listen } from '../support/http.ts'
import { late } from '../support/late.ts'

interface Task {
  _id: number
  team: string
  value: number
}
interface Message {
  _id: number
  room: number
  text: string
}

/** What TanStack DB says that a collection of a sync engine must do, over a server and a client. */
describe('tanstack/collection', () => {
  const db = memory()
  let store = db
  let tasks = db.collection<Task>('tasks')
  let messages = db.collection<Message>('messages')
  let server: Server
  let listening: Listening
  let client: Client<{ tasks: Task[]; messages: Message[] }>

  beforeEach(async () => {
    store = memory()
    tasks = store.collection<Task>('tasks')
    messages = store.collection<Message>('messages')
    const collection = late(tasks, () => 20) as CollectionHandle<Task>
    server = new Server({
      identityLookup: (identity) => identity as { team: string },
      dataSources: {
        tasks: { manifest: true, collection, criteria: { team: '@team' } },
        messages: {
          manifest: true,
          collection: messages,
          params: { room: 'number' },
          criteria: { room: ':room' },
          allow: (_identity, { room }) => Number(room) < 100,
        },
      },
      onError: () => {},
    })
    listening = await listen(server.middleware())
    client = new Client({ url: `${listening.url}/particle`, identity: { team: 'a' }, onError: () => {} })
    await tasks.insertMany([
      { _id: 1, team: 'a', value: 500 },
      { _id: 2, team: 'a', value: 500 },
      { _id: 3, team: 'b', value: 500 },
    ])
    await messages.insertMany([
      { _id: 1, room: 1, text: 'one' },
      { _id: 2, room: 2, text: 'two' },
    ])
  })
  afterEach(async () => {
    client.close()
    await server.disconnect()
    await listening.close()
  })

  const valuesOf = (rows: Iterable<{ _id: number; value: number }>) =>
    Object.fromEntries([...rows].map(({ _id, value }) => [_id, value]))

  it('is ready with all documents, follows them, and commits a moment at once', async () => {
    const collection = createCollection(particleCollectionOptions({ client, root: 'tasks' }))
    await collection.preload()
    expect(collection.status).to.equal('ready')
    expect(valuesOf(collection.toArray)).to.deep.equal({ 1: 500, 2: 500 })
    const batches: string[][] = []
    const subscription = collection.subscribeChanges(
      (changes) => {
        batches.push(changes.map(({ type, key }) => `${type} ${key}`).sort())
      },
      { includeInitialState: true },
    )
    await store.transact(() =>
      Promise.all([
        tasks.updateOne({ _id: 1 }, { $set: { value: 1 } }),
        tasks.deleteOne({ _id: 2 }),
        tasks.insertOne({ _id: 4, team: 'a', value: 4 }),
      ]),
    )
    await eventually(() => collection.has(4), 'the last change')
    expect(batches.slice(1)).to.deep.equal([['delete 2', 'insert 4', 'update 1']])
    expect(valuesOf(collection.toArray)).to.deep.equal({ 1: 1, 4: 4 })
    subscription.unsubscribe()
  })

  it('shows an optimistic write until the client has reached it, with no flicker', async () => {
    const collection = createCollection(
      particleCollectionOptions({
        client,
        root: 'tasks',
        onUpdate: async ({ transaction }) => {
          for (const { key, changes } of transaction.mutations)
            await tasks.updateOne({ _id: Number(key) }, { $set: changes })
          return server.position('tasks')
        },
        onInsert: async ({ transaction }) => {
          await tasks.insertMany(transaction.mutations.map(({ modified }) => modified))
          return { position: await server.position('tasks') }
        },
        onDelete: async ({ transaction }) => {
          for (const { key } of transaction.mutations) await tasks.deleteOne({ _id: Number(key) })
          return server.position('tasks')
        },
      }),
    )
    await collection.preload()
    const seen: unknown[] = []
    const subscription = collection.subscribeChanges(() => seen.push(collection.get(1)?.value))
    const update = collection.update(1, (task) => {
      task.value = 3
    })
    expect(collection.get(1)?.value).to.equal(3)
    await update.isPersisted.promise
    expect(collection.get(1)?.value).to.equal(3)
    expect(new Set(seen)).to.deep.equal(new Set([3]))
    await collection.insert({ _id: 9, team: 'a', value: 9 }).isPersisted.promise
    await collection.delete(2).isPersisted.promise
    expect(valuesOf(collection.toArray)).to.deep.equal({ 1: 3, 9: 9 })
    // A write that the client may not see is reached, and then gone.
    await collection.insert({ _id: 10, team: 'b', value: 10 }).isPersisted.promise
    expect(collection.has(10)).to.equal(false)
    subscription.unsubscribe()
  })

  it('rolls a write back that the application refuses', async () => {
    const refusing = async () => {
      throw new Error('403')
    }
    const collection = createCollection(
      particleCollectionOptions({ client, root: 'tasks', onUpdate: refusing }),
    )
    await collection.preload()
    const update = collection.update(1, (task) => {
      task.value = 3
    })
    expect(collection.get(1)?.value).to.equal(3)
    expect(await update.isPersisted.promise.catch(({ message }) => message)).to.equal('403')
    expect(collection.get(1)?.value).to.equal(500)
  })

  it('is replaced as a whole where the root is loaded again, and emptied where the client is revoked', async () => {
    const collection = createCollection(particleCollectionOptions({ client, root: 'tasks' }))
    await collection.preload()
    const subscription = collection.subscribeChanges(() => {})
    await tasks.drop()
    await tasks.insertMany([{ _id: 7, team: 'a', value: 7 }])
    await eventually(() => collection.has(7), 'the new load')
    expect(valuesOf(collection.toArray)).to.deep.equal({ 7: 7 })
    server.revoke(() => true)
    await eventually(() => collection.size === 0, 'the end of the rights')
    subscription.unsubscribe()
  })

  it('fails where the server refuses the root', async () => {
    const collection = createCollection(
      particleCollectionOptions({ client, root: 'messages', params: { room: 100 } }),
    )
    const error = await collection.preload().catch((cause) => cause)
    expect(error).to.have.property('code', 'FORBIDDEN')
    expect(collection.status).to.equal('error')
  })

  it('watches a source with parameters, and closes the watch with the collection', async () => {
    const collection = createCollection(
      particleCollectionOptions({ client, root: 'messages', params: { room: 1 } }),
    )
    await collection.preload()
    expect(collection.toArray.map(({ text }) => text)).to.deep.equal(['one'])
    await messages.insertOne({ _id: 3, room: 1, text: 'three' })
    await eventually(() => collection.has(3), 'the new message')
    await collection.cleanup()
    expect(collection.status).to.equal('cleaned-up')
  })

  it('loads on demand what live queries ask for by the parameters', async () => {
    const collection = createCollection(
      particleCollectionOptions({ client, root: 'messages', params: ['room'] }),
    )
    const roomOf = (room: number) =>
      createLiveQueryCollection((query) =>
        query.from({ message: collection }).where(({ message }) => eq(message.room, room)),
      )
    const [one, two] = [roomOf(1), roomOf(2)]
    await Promise.all([one.preload(), two.preload()])
    const texts = (live: typeof one) => live.toArray.map(({ text }) => text)
    expect([texts(one), texts(two)]).to.deep.equal([['one'], ['two']])
    await messages.insertOne({ _id: 3, room: 2, text: 'three' })
    await eventually(() => two.size === 2, 'the new message')
    expect(texts(one)).to.deep.equal(['one'])
    await two.cleanup()
    await eventually(() => collection.size === 1, 'the end of the room')
    expect(collection.toArray.map(({ text }) => text)).to.deep.equal(['one'])
  })
})
