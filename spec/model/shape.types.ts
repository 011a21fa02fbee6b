import { expectTypeOf } from 'expect-type'
import type { Binary, Decimal128, Long, ObjectId, UUID } from 'mongodb'
import type { Document, Json, Model } from '../../lib/model/document.ts'
import type { DataOf, Jsonified, ModelOf, Visible } from '../../lib/model/shape.ts'

// Compiled by `npm run types`, never run. What is expected of a wrong type must be an error, so that nothing here passes for being `any`.

interface User {
  _id: ObjectId
  email: string
  password: string
  born?: Date
  address: { city: string; street: string; zip?: number } | null
  todos: { title: string; at: Date; secret: string }[]
  role: 'admin' | 'member'
}

// What the issue promises.
type Users = Visible<User, { email: true }>
expectTypeOf<Users>().toEqualTypeOf<{ _id: string; email: string }>()
expectTypeOf<Users>().not.toHaveProperty('password')
// @ts-expect-error: a text is no number
expectTypeOf<Users>().toEqualTypeOf<{ _id: string; email: number }>()
// @ts-expect-error: the manifest doesn't list it
expectTypeOf<Users>().toHaveProperty('password')

// JSON forms.
expectTypeOf<Jsonified<Date>>().toEqualTypeOf<string>()
expectTypeOf<Jsonified<ObjectId | Binary | UUID | Decimal128 | Buffer>>().toEqualTypeOf<string>()
expectTypeOf<Jsonified<{ toHexString(): string }>>().toEqualTypeOf<string>()
expectTypeOf<Jsonified<bigint | Long>>().toEqualTypeOf<number | string>()
expectTypeOf<Jsonified<'a' | 5 | true | null>>().toEqualTypeOf<'a' | 5 | true | null>()
expectTypeOf<Jsonified<Json>>().toEqualTypeOf<Json>()
expectTypeOf<Jsonified<unknown>>().toEqualTypeOf<Json>()
expectTypeOf<Jsonified<{ toJSON(): { at: Date } }>>().toEqualTypeOf<{ at: string }>()
expectTypeOf<Jsonified<(Date | undefined)[]>>().toEqualTypeOf<(string | null)[]>()
expectTypeOf<Jsonified<readonly [Date, number]>>().toEqualTypeOf<[string, number]>()
expectTypeOf<Jsonified<{ a: Date; b?: bigint; c: string | undefined; d: () => void }>>().toEqualTypeOf<{
  a: string
  b?: number | string
  c?: string
}>()
expectTypeOf<Jsonified<Record<string, Date>>>().toEqualTypeOf<{ [x: string]: string }>()
// biome-ignore lint/suspicious/noExplicitAny: what is expected of it.
expectTypeOf<Jsonified<any>>().toBeAny()

// Fields by manifest.
expectTypeOf<Visible<User, true>>().toEqualTypeOf<{
  _id: string
  email: string
  password: string
  born?: string
  address: { city: string; street: string; zip?: number } | null
  todos: { title: string; at: string; secret: string }[]
  role: 'admin' | 'member'
}>()
expectTypeOf<Visible<User, Record<never, true>>>().toEqualTypeOf<{ _id: string }>()
expectTypeOf<Visible<User, { _id: true; role: true }>>().toEqualTypeOf<{
  _id: string
  role: 'admin' | 'member'
}>()
expectTypeOf<Visible<User, { todos: { at: true } }>['todos']>().toEqualTypeOf<{ at: string }[]>()
// The null of an address has no image below a partial manifest: the field is left out.
expectTypeOf<Visible<User, { address: { zip: true } }>>().toEqualTypeOf<{
  _id: string
  address?: { zip?: number }
}>()
expectTypeOf<Visible<User, { email: { deep: true }; nowhere: true }>>().toEqualTypeOf<{ _id: string }>()
expectTypeOf<
  Visible<{ _id: number; list: (string | { a: 1; b: 2 })[][] }, { list: { a: true } }>
>().toEqualTypeOf<{
  _id: number
  list: ({ a: 1 } | null)[][]
}>()
// `true` in an object without a type of its own is a `boolean`.
expectTypeOf<Visible<User, { email: boolean }>>().toEqualTypeOf<Users>()
expectTypeOf<Visible<{ a: Date }, true>>().toEqualTypeOf<{ _id: string; a: string }>()
expectTypeOf<Visible<{ _id?: number; a: Date }, true>>().toEqualTypeOf<{ _id: number; a: string }>()

// Unions stay unions, and types that hold themselves end.
type Shape = { _id: 1; kind: 'circle'; radius: number } | { _id: 2; kind: 'square'; side: number }
expectTypeOf<Visible<Shape, { kind: true; side: true }>>().toEqualTypeOf<
  { _id: 1; kind: 'circle' } | { _id: 2; kind: 'square'; side: number }
>()
interface Tree {
  _id: string
  at: Date
  leaves?: Tree[]
}
expectTypeOf<NonNullable<NonNullable<Visible<Tree, true>['leaves']>[0]>['at']>().toEqualTypeOf<string>()

// Documents of no declared type: any field that is listed may be there, others are not.
expectTypeOf<Visible<Document, { name: true }>>().toEqualTypeOf<{ _id: Json; name?: Json }>()
expectTypeOf<Visible<Document, true>['anything']>().toEqualTypeOf<Json | undefined>()

// Models.
type Options = {
  dataSources: {
    users: { collection: { $document?: User }; manifest: { email: boolean } }
    feed: { payload: () => Promise<{ data: { _id: number; at: Date }[] }>; manifest: true }
    done: { payload: (identity: unknown, done: () => void) => void; manifest: { name: true } }
  }
}
expectTypeOf<ModelOf<Options>>().toEqualTypeOf<{
  users: { _id: string; email: string }[]
  feed: { _id: number; at: string }[]
  done: { _id: Json; name?: Json }[]
}>()
expectTypeOf<ModelOf<{ users: User[] }>>().toEqualTypeOf<{ users: User[] }>()
expectTypeOf<ModelOf<{ dataSources: User[] }>>().toEqualTypeOf<{ dataSources: User[] }>()
expectTypeOf<ModelOf<Model>>().toEqualTypeOf<Model>()

// Patterns.
type M = ModelOf<Options>
expectTypeOf<DataOf<M, 'users'>>().toEqualTypeOf<M['users']>()
expectTypeOf<DataOf<M, 'feed.**'>>().toEqualTypeOf<M['feed']>()
expectTypeOf<DataOf<M, 'users.address.*'>>().toEqualTypeOf<M['users']>()
expectTypeOf<DataOf<M, 'other.*'>>().toEqualTypeOf<Document[]>()
expectTypeOf<DataOf<M, string>>().toEqualTypeOf<Document[]>()
