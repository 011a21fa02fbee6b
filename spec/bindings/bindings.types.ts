import { expectTypeOf } from 'expect-type'
import type { Accessor } from 'solid-js'
import type { ShallowRef } from 'vue'
import particle from '../../lib/index.ts'
import * as react from '../../lib/react/index.ts'
import * as solid from '../../lib/solid/index.ts'
import { memory } from '../../lib/source/memory/index.ts'
import * as svelte from '../../lib/svelte/index.ts'
import * as vue from '../../lib/vue/index.ts'

// Compiled by `npm run types`, never run.

interface User {
  _id: number
  name: string
  password: string
}
interface Message {
  _id: number
  room: number
  text: string
  at: Date
}

const options = {
  dataSources: {
    users: { collection: memory().collection<User>('users'), manifest: { name: true } },
    messages: {
      collection: memory().collection<Message>('messages'),
      manifest: { text: true, at: true },
      params: { room: 'number' },
      criteria: { room: ':room' },
    },
  },
} as const
const client = new particle.Client<typeof options>()

type Users = readonly { _id: number; name: string }[]
type Room = react.WatchState<{ _id: number; text: string; at: string }>

export function usePage() {
  expectTypeOf(react.useParticle(client, 'users')).toEqualTypeOf<Users>()
  expectTypeOf(react.useParticle(client, 'users', (users) => users[0]?.name)).toEqualTypeOf<
    string | undefined
  >()
  expectTypeOf(react.useWatch(client, 'messages', { room: 7 })).toEqualTypeOf<Room>()
  expectTypeOf(react.useStatus(client)).toEqualTypeOf<typeof client.status>()
  react.useReady(client)
  react.useReady(client, 'messages', { room: 7 })

  expectTypeOf(vue.useParticle(client, () => 'users' as const)).toEqualTypeOf<Readonly<ShallowRef<Users>>>()
  expectTypeOf(vue.useWatch(client, 'messages', () => ({ room: 7 }))).toEqualTypeOf<
    Readonly<ShallowRef<Room>>
  >()
  expectTypeOf(svelte.useParticle(client, 'users', (users) => users.length).current).toBeNumber()
  expectTypeOf(svelte.useWatch(client, 'messages', () => ({ room: 7 })).current).toEqualTypeOf<Room>()
  expectTypeOf(solid.useParticle(client, 'users')).toEqualTypeOf<Accessor<Users>>()
  expectTypeOf(solid.useWatch(client, 'messages', () => ({ room: 7 }))).toEqualTypeOf<Accessor<Room>>()

  // @ts-expect-error: a root with parameters is watched
  react.useParticle(client, 'messages')
  // @ts-expect-error: no such field
  react.useParticle(client, 'users', (users) => users[0]?.password)
  // @ts-expect-error: it has no parameters
  react.useWatch(client, 'users', {})
  // @ts-expect-error: a room is a number
  react.useWatch(client, 'messages', { room: '7' })
  // @ts-expect-error: a room is a number
  react.useReady(client, 'messages', { room: '7' })
  // @ts-expect-error: a room is a number
  vue.useWatch(client, 'messages', () => ({ room: '7' }))
  // @ts-expect-error: a parameter is missing
  svelte.useWatch(client, 'messages', {})
  // @ts-expect-error: no such parameter
  solid.useWatch(client, 'messages', () => ({ roam: 7 }))
}
