import { expectTypeOf } from 'expect-type'
import particle, { type Watch } from '../../lib/index.ts'
import { memory } from '../../lib/source/memory/index.ts'

// Compiled by `npm run types`, never run.

interface Message {
  _id: number
  room: number
  text: string
  secret: string
}

/** A validator as zod, valibot and arktype make them. */
interface Schema<Input, Output> {
  '~standard': {
    version: 1
    vendor: string
    validate: (value: unknown) => { value: Output }
    types?: { input: Input; output: Output } | undefined
  }
}
declare const day: Schema<string, number>
declare const filter: Schema<{ tag: string }, { tag: string }>

const messages = memory().collection<Message>('messages')
const rooms = memory().collection<{ _id: number; name: string }>('rooms')
const manifest = { room: true, text: true }

// An object without a type of its own tells the names of the parameters, and that they are values.
const options = {
  identityLookup: () => ({ userId: 1 }),
  dataSources: {
    rooms: { collection: rooms, manifest: { name: true } },
    messages: { collection: messages, manifest, params: { room: 'number' }, criteria: { room: ':room' } },
  },
}
new particle.Server(options)
const client = new particle.Client<typeof options>()
expectTypeOf(client.data).toEqualTypeOf<Partial<{ rooms: { _id: number; name: string }[] }>>()
const room = client.watch('messages', { room: 7 })
type Shown = { _id: number; room: number; text: string }
expectTypeOf(room).toEqualTypeOf<Watch<Shown>>()
expectTypeOf(room.data).toEqualTypeOf<Shown[]>()
expectTypeOf(room.getSnapshot()).toEqualTypeOf<readonly Shown[]>()
expectTypeOf(room.ready()).resolves.toEqualTypeOf<Shown[]>()
expectTypeOf(room.more(50)).resolves.toEqualTypeOf<Shown[]>()
room.on('*.text', (data, event) => {
  expectTypeOf(data).toEqualTypeOf<Shown[]>()
  expectTypeOf(event.event).toBeString()
})
// @ts-expect-error: a pattern begins with the documents
room.on('text', () => {})
// @ts-expect-error: no such source
client.watch('message', { room: 7 })
// @ts-expect-error: it has no parameters, and is always there
client.watch('rooms', { room: 7 })
// @ts-expect-error: no such parameter
client.watch('messages', { romm: 7 })
// @ts-expect-error: never an operator
client.watch('messages', { room: { $ne: 7 } })

// `as const` tells the types of the parameters too.
const typed = {
  dataSources: {
    messages: {
      collection: messages,
      manifest: { text: true },
      params: { room: 'number', kind: 'string', pinned: 'boolean', by: 'id', day },
      criteria: { room: ':room' },
    },
    tagged: { collection: messages, manifest: { text: true }, params: filter, criteria: { tag: ':tag' } },
  },
} as const
new particle.Server(typed)
const exact = new particle.Client<typeof typed>()
expectTypeOf(exact.watch<'messages'>)
  .parameter(1)
  .toEqualTypeOf<{
    readonly room: number
    readonly kind: string
    readonly pinned: boolean
    readonly by: string | number
    readonly day: string
  }>()
expectTypeOf(exact.watch<'tagged'>)
  .parameter(1)
  .toEqualTypeOf<{ tag: string }>()
// @ts-expect-error: a room is a number
exact.watch('messages', { room: '7', kind: 'a', pinned: true, by: 1, day: '' })
// @ts-expect-error: a parameter is missing
exact.watch('messages', { room: 7 })

new particle.Server({
  identityLookup: () => ({ userId: 1 }),
  dataSources: {
    messages: {
      collection: messages,
      manifest: { text: true },
      params: { room: 'number' },
      criteria: { room: ':room' },
      allow: (identity, params) => identity.userId === params.room,
      sort: { at: -1 },
      limit: 50,
      maxLimit: 1000,
    },
  },
})
new particle.Server({
  // @ts-expect-error: no such type of a parameter
  dataSources: { messages: { collection: messages, manifest: true, params: { room: 'integer' } } },
})

// A model's type gives the documents, with any parameters.
const plain = new particle.Client<{ messages: Message[] }>()
expectTypeOf(plain.watch('messages', { any: 1 })).toEqualTypeOf<Watch<Message>>()
const untyped = new particle.Client()
expectTypeOf(untyped.watch('messages', { any: 1 }).data[0]?._id).not.toBeNever()

const { watch } = client
expectTypeOf(watch).thisParameter.toEqualTypeOf<unknown>()
