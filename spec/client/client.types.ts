import { expectTypeOf } from 'expect-type'
import { MongoClient, type ObjectId } from 'mongodb'
import { Pool } from 'pg'
import { createClient } from 'redis'
import particle, { type Manifest, type ServerOptions } from '../../lib/index.ts'
import type { Json, Model } from '../../lib/model/document.ts'
import { memory } from '../../lib/source/memory/index.ts'
import { mongo } from '../../lib/source/mongo/index.ts'
import { postgres } from '../../lib/source/postgres/index.ts'
import { redis } from '../../lib/source/redis/index.ts'

// Compiled by `npm run types`, never run.

interface User {
  _id: number
  email: string
  password: string
  born: Date
  todos: { title: string; done: boolean }[]
}
interface Room {
  _id: number
  name: string
  opens: string
}
interface Order {
  _id: ObjectId
  total: bigint
  paid?: Date
}

const users = memory().collection<User>('users')
const orders = mongo(new MongoClient('').db('shop')).collection<Order>('orders')
const teams = redis(createClient()).collection<{ name: string }>('teams')
const rooms = postgres(new Pool()).collection<Room>('rooms')

teams.set('a', { name: 'A' })
// @ts-expect-error: a team's name is a text
teams.set('a', { name: 1 })

const options = {
  identityLookup: () => ({ userId: 1 }),
  dataSources: {
    users: { collection: users, manifest: { email: true, todos: { title: true } } },
    orders: { collection: orders, manifest: true, criteria: { owner: '@userId' } },
    teams: { collection: teams, manifest: { name: true } },
    rooms: { collection: rooms, manifest: { name: true } },
    notes: { collection: memory().collection('notes'), manifest: { text: true } },
    news: {
      payload: async () => ({ data: [{ _id: 'n', at: new Date() }], timestamp: new Date() }),
      manifest: true,
    },
  },
}

// An object without a type of its own is taken as it is, and tells the client's model.
new particle.Server(options)
particle.middleware(options)
const client = new particle.Client<typeof options>({
  onData: (data) => expectTypeOf(data.users?.[0]?.email).toEqualTypeOf<string | undefined>(),
})
type Data = {
  users: { _id: number; email: string; todos: { title: string }[] }[]
  orders: { _id: string; total: number | string; paid?: string }[]
  teams: { _id: string; name: string }[]
  rooms: { _id: number; name: string }[]
  notes: { _id: Json; text?: Json }[]
  news: { _id: string; at: string }[]
}
// A root is there once all of its documents are.
expectTypeOf(client.data).toEqualTypeOf<Partial<Data>>()
expectTypeOf(client.ready()).resolves.toEqualTypeOf<Data>()
expectTypeOf(client.getSnapshot('users')).toEqualTypeOf<readonly Data['users'][number][]>()
expectTypeOf(client.getSnapshot().teams).toEqualTypeOf<readonly Data['teams'][number][] | undefined>()
client.on('users.todos.**', (data, event) => {
  expectTypeOf(data).toEqualTypeOf<Data['users']>()
  expectTypeOf(event.event).toBeString()
})
client.off('users.todos.**', (data: Data['users']) => data)
// @ts-expect-error: it may not be there yet
client.data.users[0]
const user = client.data.users?.[0]
if (user) {
  const email: string = user.email
  // @ts-expect-error: the manifest doesn't list it
  const password = user.password
  // @ts-expect-error: a text is no number
  const wrong: number = user.email
  expectTypeOf([email, password, wrong]).not.toBeAny()
}
// @ts-expect-error: no such root
client.data.nobody

// As React declares it: all of a client's functions work without the client, also by their types.
declare function useSyncExternalStore<Snapshot>(
  subscribe: (onStoreChange: () => void) => () => void,
  getSnapshot: () => Snapshot,
): Snapshot
export function usePage() {
  expectTypeOf(useSyncExternalStore(client.subscribe, client.getSnapshot).rooms).toEqualTypeOf<
    readonly Data['rooms'][number][] | undefined
  >()
  expectTypeOf(useSyncExternalStore(client.subscribe, () => client.getSnapshot('rooms'))).toEqualTypeOf<
    readonly Data['rooms'][number][]
  >()
}
client.on('rooms', {
  added: (room, { event }) => {
    expectTypeOf(room).toEqualTypeOf<Data['rooms'][number]>()
    expectTypeOf(event).toExtend<string>()
  },
  changed: (room, before) => expectTypeOf(room).toEqualTypeOf(before),
})
// @ts-expect-error: no such name
client.on('rooms', { add: () => {} })
const { subscribe, getSnapshot, ready, on, off, close } = client
for (const unbound of [subscribe, getSnapshot, ready, on, off, close])
  expectTypeOf(unbound).thisParameter.toEqualTypeOf<unknown>()
on('rooms', (_data, _event, events) => expectTypeOf(events[0]?.event).not.toBeAny())

// `as const` and `satisfies` say the same.
const constant = { dataSources: { users: { collection: users, manifest: { email: true } } } } as const
const checked = {
  dataSources: { users: { collection: users, manifest: { email: true } } },
} satisfies ServerOptions
new particle.Server(constant)
new particle.Server(checked)
type Emails = { users: { _id: number; email: string }[] }
expectTypeOf(new particle.Client<typeof constant>().data).toEqualTypeOf<Partial<Emails>>()
expectTypeOf(new particle.Client<typeof checked>().data).toEqualTypeOf<Partial<Emails>>()

// Options of a declared type tell nothing but that there are documents.
expectTypeOf(new particle.Client<ServerOptions>().data).toEqualTypeOf<Partial<Model>>()
expectTypeOf(new particle.Client().data).toEqualTypeOf<Partial<Model>>()

// The shape of the model itself, declared or inferred, stands as it did.
expectTypeOf(new particle.Client<{ users: User[] }>().data).toEqualTypeOf<{ users?: User[] }>()
const inferred = new particle.Client({ onData: (_data: { users?: User[] }) => {} })
expectTypeOf(inferred.data).toEqualTypeOf<{ users?: User[] }>()
expectTypeOf(inferred.ready()).resolves.toEqualTypeOf<{ users: User[] }>()
// @ts-expect-error: it is called before all roots are there
new particle.Client<{ users: User[] }>({ onData: (_data: { users: User[] }) => {} })

// Functions know their parameters, and what is refused at run time is an error here where its type tells.
const server = new particle.Server({
  identityLookup: (identity, done, request) => done(null, { ...identity, host: request?.headers.host }),
  dataSources: {
    feed: {
      manifest: { title: true },
      payload: (identity, done) => done(null, { data: [identity] }),
      delta: (_identity, listener) => listener({ oplist: [{ operation: 'set', id: 1, path: 'title' }] }),
    },
    users: { manifest: true, collection: users, criteria: (identity) => ({ email: identity }) },
  },
})
expectTypeOf(server).toExtend<InstanceType<typeof particle.Server>>()
// @ts-expect-error: a manifest lists what is visible
new particle.Server({ dataSources: { users: { collection: users, manifest: { email: false } } } })
// @ts-expect-error: at any depth
particle.middleware({ dataSources: { users: { collection: users, manifest: { todos: { done: false } } } } })
// @ts-expect-error: write true
new particle.Server({ dataSources: { users: { collection: users, manifest: { email: 1 } } } })
// @ts-expect-error: no such option of a source
new particle.Server({ dataSources: { users: { collection: users, manifest: true, criterion: {} } } })
// @ts-expect-error: no such option
new particle.Server({ dataSources: {}, heartbeats: 1 })
// @ts-expect-error: no collection
new particle.Server({ dataSources: { users: { collection: 5, manifest: true } } })
// @ts-expect-error: a manifest of the declared type hides nothing by false
const hidden: Manifest = { name: false }
expectTypeOf(hidden).toEqualTypeOf<Manifest>()

// A collection in memory takes and gives its documents.
expectTypeOf(users.findOne()).resolves.toEqualTypeOf<{
  _id: number
  email: string
  password: string
  born: string
  todos: { title: string; done: boolean }[]
} | null>()
users.insertOne({ email: 'a', password: 'b', born: new Date(), todos: [] })
// @ts-expect-error: no such field
users.insertOne({ email: 'a', password: 'b', born: new Date(), todos: [], mail: 1 })
memory().collection('any').insertOne({ whatever: 1 })
