import { expectTypeOf } from 'expect-type'
import type express from 'express'
import { type Collection, MongoClient, type ObjectId } from 'mongodb'
import particle, {
  type Criteria,
  type IdentityLookup,
  Server,
  type ServerOptions,
} from '../../../lib/index.ts'
import { memory } from '../../../lib/source/memory/index.ts'

// Compiled by `npm run types`, never run.

interface User {
  _id: ObjectId
  name: string
  teams: string[]
  since: Date
}
/** A request as a session middleware leaves it. */
type Visit = Omit<express.Request, 'session'> & { session: { userId?: number } }
declare const users: Collection<User>
const todos = memory().collection<{ owner: number; title: string }>('todos')
const manifest = { title: true } as const
const todosOf = { collection: todos, manifest }

// A value: all functions of the identity know its type.
const server = new particle.Server({
  identityLookup: (given) => (given ? { userId: 7, admin: true } : null),
  dependsOn: (identity, given) => {
    expectTypeOf(identity).toEqualTypeOf<{ userId: number; admin: boolean }>()
    expectTypeOf(given).toBeAny()
    return [
      {
        collection: todos,
        criteria: (again) => {
          expectTypeOf(again).toEqualTypeOf<{ userId: number; admin: boolean }>()
          return { owner: again.userId }
        },
      },
    ]
  },
  dataSources: {
    todos: {
      ...todosOf,
      criteria: (identity) => {
        expectTypeOf(identity).toEqualTypeOf<{ userId: number; admin: boolean }>()
        return identity.admin ? {} : { owner: identity.userId }
      },
    },
    news: {
      manifest: { title: true },
      payload: (identity, done) => {
        expectTypeOf(identity).toEqualTypeOf<{ userId: number; admin: boolean }>()
        return done(null, { data: [] })
      },
      delta: (identity, listener) => {
        expectTypeOf(identity.userId).toBeNumber()
        listener({ oplist: [] })
      },
    },
  },
})
server.revoke((identity) => identity.userId === 7, 'account closed')
server.revoke((identity, given) => identity.admin && given.admin)
server.refresh((identity) => identity.admin)
server.refresh()
// @ts-expect-error: identities have no such field
server.revoke((identity) => identity.usrId === 7)
new particle.Server({
  identityLookup: () => ({ userId: 7 }),
  // @ts-expect-error: as for a criteria
  dataSources: { todos: { ...todosOf, criteria: (identity) => ({ owner: identity.usrId }) } },
})
// @ts-expect-error: neither a collection nor a payload
new particle.Server({ dataSources: { todos: { manifest: { title: true } } } })
// @ts-expect-error: an order is 1 or -1
new particle.Server({ dataSources: { todos: { ...todosOf, sort: { title: 2 } } } })
// @ts-expect-error: a payload is a function
new particle.Server({ dataSources: { todos: { manifest: { title: true }, payload: todos } } })
expectTypeOf(server).toExtend<InstanceType<typeof particle.Server>>()
expectTypeOf(server).toExtend<Server>()
expectTypeOf(server).toEqualTypeOf<Server<{ userId: number; admin: boolean }>>()

// The request may have the type that the framework gives it, and more than that.
particle.middleware({
  identityLookup: (_identity, _done, request?: Visit) =>
    request?.session.userId === undefined ? null : { userId: request.session.userId },
  dataSources: {
    todos: {
      ...todosOf,
      criteria: (identity) => {
        expectTypeOf(identity).toEqualTypeOf<{ userId: number }>()
        return { owner: identity.userId }
      },
    },
  },
})
particle.middleware({
  identityLookup: (_identity, _done, request: Visit) => ({ userId: request.session.userId }),
  dataSources: { todos: todosOf },
})
particle.middleware({
  identityLookup: (_identity, _done, request) => ({ agent: request?.headers['user-agent'] }),
  dataSources: {
    todos: {
      ...todosOf,
      criteria: (identity) => {
        expectTypeOf(identity).toEqualTypeOf<{ agent?: string }>()
        return {}
      },
    },
  },
})
// @ts-expect-error: a request is no text
particle.middleware({ identityLookup: (_identity, _done, request: string) => request, dataSources: {} })

// A promise; its answer in the JSON form that functions get.
const { server: promised } = particle.middleware({
  identityLookup: async (identity: { token: string }) => {
    const user = await users.findOne({ name: identity.token })
    if (!user) return
    return { userId: user._id, teams: user.teams, since: user.since }
  },
  dataSources: {
    todos: {
      ...todosOf,
      criteria: (identity) => {
        expectTypeOf(identity).toEqualTypeOf<{ userId: string; teams: string[]; since: string }>()
        return { owner: { $in: identity.teams } }
      },
    },
  },
})
promised.revoke((identity) => identity.teams.includes('red'))
// @ts-expect-error: a date is a text by then
promised.revoke((identity) => identity.since.getTime())
new particle.Server({
  identityLookup: (identity: string) => users.findOne({ name: identity }),
  dataSources: {
    todos: { ...todosOf, criteria: (identity) => (identity.teams.includes('red') ? {} : null) },
  },
})

// A function that only calls `done` tells nothing of its identity.
const silent = new particle.Server({
  identityLookup: (identity, done) => {
    users.findOne({ name: identity }).then((user) => done(null, user), done)
  },
  dataSources: {
    todos: {
      ...todosOf,
      criteria: (identity) => {
        expectTypeOf(identity).toBeAny()
        return { owner: identity.userId }
      },
    },
  },
})
silent.revoke((identity) => identity.userId === 7)
new particle.Server({
  identityLookup: (identity, done) => done(null, identity),
  dataSources: { todos: { ...todosOf, criteria: (identity) => ({ owner: identity.userId }) } },
})
new particle.Server({
  identityLookup: (identity, done, request) => {
    if (!request) return null
    if (!identity) return false
    done(null, { userId: 7 })
    return
  },
  dataSources: { todos: { ...todosOf, criteria: (identity) => ({ owner: identity.userId }) } },
}).refresh((identity) => identity.userId === 7)

// Without a lookup, whatever is claimed of the identity stands.
new particle.Server({
  dataSources: { todos: { ...todosOf, criteria: (identity) => ({ owner: identity.userId }) } },
}).revoke((identity) => identity.userId === 7)

// What functions declare of the identity is held against what the lookup answers with.
interface Known {
  userId: number
}
new particle.Server({
  identityLookup: () => ({ userId: 7, admin: true }),
  dataSources: { todos: { ...todosOf, criteria: (identity: Known) => ({ owner: identity.userId }) } },
}).revoke((identity: Known) => identity.userId === 7)
new particle.Server({
  identityLookup: () => ({ userId: '7' }),
  // @ts-expect-error: its userId is a text
  dataSources: { todos: { ...todosOf, criteria: (identity: Known) => ({ owner: identity.userId }) } },
})

// The order of options does not matter where the lookup declares what it takes.
new particle.Server({
  dataSources: { todos: { ...todosOf, criteria: (identity) => ({ owner: identity.userId }) } },
  identityLookup: (_given: string) => ({ userId: 7 }),
}).revoke((identity) => identity.userId === 7)
new particle.Server({
  dataSources: { todos: { ...todosOf, criteria: (identity) => ({ owner: identity.userId }) } },
  identityLookup: (_given) => ({ userId: 7 }),
}).revoke((identity) => identity.userId === 7)

// Options that stand alone, with functions that declare what they take, or of a declared type.
const options = {
  identityLookup: (_identity: unknown, _done: unknown, request?: Visit) =>
    request?.session.userId === undefined ? null : { userId: request.session.userId },
  dataSources: { todos: { ...todosOf, criteria: (identity: Known) => ({ owner: identity.userId }) } },
}
const constant = {
  identityLookup: async () => ({ userId: 7 }),
  dataSources: { todos: { ...todosOf, criteria: (identity: Known) => ({ owner: identity.userId }) } },
} as const
const satisfying = {
  identityLookup: async (_identity, _done, request) => (request ? { userId: 7 } : null),
  dataSources: {
    todos: {
      collection: todos,
      manifest: { title: true },
      criteria: (identity) => ({ owner: identity.userId }),
    },
  },
} satisfies ServerOptions
const declared: ServerOptions = satisfying
new particle.Server(options).revoke((identity) => expectTypeOf(identity).toEqualTypeOf<Known>())
new particle.Server(constant).revoke((identity) => expectTypeOf(identity).toEqualTypeOf<Known>())
new particle.Server(satisfying).revoke((identity) => expectTypeOf(identity).toEqualTypeOf<Known>())
new particle.Server(declared).revoke((identity) => expectTypeOf(identity).toBeAny())
particle.middleware(options).server.refresh((identity) => expectTypeOf(identity).toEqualTypeOf<Known>())
particle.middleware(constant).server.refresh((identity) => expectTypeOf(identity).toEqualTypeOf<Known>())
particle.middleware(satisfying).server.refresh((identity) => expectTypeOf(identity).toEqualTypeOf<Known>())
particle.middleware(declared).server.refresh((identity) => expectTypeOf(identity).toBeAny())
expectTypeOf(new particle.Client<typeof options>().data).toEqualTypeOf<{
  todos?: { _id: string; title: string }[]
}>()
expectTypeOf(new particle.Client<typeof satisfying>().data).toEqualTypeOf<{
  todos?: { _id: string; title: string }[]
}>()

// Functions that stand alone.
const lookup: IdentityLookup = (identity, done) => done(null, { userId: identity })
const criteria: Criteria = (identity) => ({ owner: identity.userId })
const narrow: Criteria<Known> = (identity) => ({ owner: identity.userId })
new Server({ identityLookup: lookup, dataSources: { todos: { ...todosOf, criteria } } })
new Server({
  identityLookup: () => ({ userId: 7 }),
  dataSources: { todos: { ...todosOf, criteria: narrow } },
})
class Own extends Server {}
new Own({ dataSources: {} }).revoke((identity) => identity.userId === 7)

// The sample of 2013, as README has it.
const db = new MongoClient('').db('test')
new particle.Server({
  identityLookup: (_identity, done) => done(null, { accountId: 1 }),
  dataSources: {
    users: {
      manifest: { email: true, todo: { list: true } },
      payload: (_identity, done) =>
        db
          .collection('users')
          .find()
          .toArray()
          .then((data) => done(null, { data, timestamp: new Date() }), done),
    },
  },
})
