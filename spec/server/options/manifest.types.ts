import { MongoClient } from 'mongodb'
import particle, { Server } from '../../../lib/index.ts'
import { memory } from '../../../lib/source/memory/index.ts'
import { mongo } from '../../../lib/source/mongo/index.ts'

// Compiled by `npm run types`, never run.

const todos = memory().collection<{ owner: number; title: string }>('todos')
interface User {
  name: string
}

// A manifest names fields of its collection's documents, at every depth.
interface Order {
  customer: { name: string; address?: { street: string; lines: string[] } } | null
  items: { sku: string; price: number; parts: { name: string }[] }[]
  pay: { card: string } | { iban: string }
  notes: unknown
  tags: Record<string, { label: string }>
  loose: ReturnType<typeof JSON.parse>
}
const orders = memory().collection<Order>('orders')
new Server({
  dataSources: {
    orders: {
      collection: orders,
      manifest: {
        _id: true,
        customer: { name: true, address: { street: true } },
        items: { sku: true, parts: { name: true } },
        pay: { card: true, iban: true },
        notes: { any: { depth: true } },
        tags: { red: { label: true } },
        loose: { any: true },
      },
    },
    all: { collection: orders, manifest: true },
    untyped: { collection: memory().collection('untyped'), manifest: { anything: { at: true } } },
  },
})
// @ts-expect-error: a misspelt field
new Server({ dataSources: { orders: { collection: orders, manifest: { itemz: true } } } })
// @ts-expect-error: a misspelt field of an object, which may be missing
new Server({ dataSources: { orders: { collection: orders, manifest: { customer: { adress: true } } } } })
// @ts-expect-error: a misspelt field of an array's elements
new Server({ dataSources: { orders: { collection: orders, manifest: { items: { skv: true } } } } })
// @ts-expect-error: a field of no member of a union
new Server({ dataSources: { orders: { collection: orders, manifest: { pay: { cash: true } } } } })
// @ts-expect-error: a text has no fields
new Server({ dataSources: { orders: { collection: orders, manifest: { items: { sku: { first: true } } } } } })
// @ts-expect-error: as for middleware
particle.middleware({ dataSources: { todos: { collection: todos, manifest: { titel: true } } } })
const listed = { title: true, secret: true } as const
// @ts-expect-error: as for a manifest that is a value of its own
new Server({ dataSources: { todos: { collection: todos, manifest: listed } } })
// A manifest of a wide type can't be checked.
const wide: Record<string, true> = { titel: true }
new Server({ dataSources: { todos: { collection: todos, manifest: wide } } })
new Server({
  dataSources: {
    users: {
      collection: mongo(new MongoClient('').db()).collection<User>('users'),
      manifest: { name: true },
    },
  },
})
new Server({
  dataSources: {
    // @ts-expect-error: users of MongoDB too
    users: { collection: mongo(new MongoClient('').db()).collection<User>('users'), manifest: { nam: true } },
  },
})
