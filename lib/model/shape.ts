import type { Document, Json, Model } from './document.ts'

type IsAny<T> = 0 extends 1 & T ? true : false

/** Values of the BSON classes that are texts in JSON, and those that are numbers where they fit. */
type BsonText = {
  readonly _bsontype:
    | 'ObjectId'
    | 'ObjectID'
    | 'Binary'
    | 'UUID'
    | 'Decimal128'
    | 'Timestamp'
    | 'Code'
    | 'BSONRegExp'
    | 'BSONSymbol'
    | 'MinKey'
    | 'MaxKey'
}
type BsonNumber = { readonly _bsontype: 'Double' | 'Int32' }
type BsonLong = { readonly _bsontype: 'Long' }

/** What is one value in JSON, though an object in the source. */
type Leaf = BsonText | BsonNumber | BsonLong | Uint8Array | Date | RegExp | { toHexString(): string }
type Nothing = undefined | symbol | ((...args: never[]) => unknown)
/** What is neither object nor array in JSON, so that a partial manifest shows nothing of it. */
type Imageless = Nothing | null | boolean | number | string | bigint | Leaf | { toJSON(): unknown }

/**
 * A type's JSON form, as clients get it: dates, ObjectIds and binaries are texts, 64-bit integers a number or
 * a text; what is `undefined` or a function is left out (and is null in an array).
 */
export type Jsonified<T> = IsAny<T> extends true ? T : Exclude<Image<T, true>, undefined>

/**
 * The visible image of a source's documents of type `D` under the manifest `M`: the fields that it lists, in
 * their JSON form. A `boolean` in the manifest stands for `true`: that is what an object's `true` is widened
 * to.
 */
export type Visible<D, M> = D extends unknown
  ? IsAny<D> extends true
    ? D
    : WithId<D, M extends boolean ? WholeFields<D> : PartFields<D, M>>
  : never

/** The `_id` is always there: as the document's type has it, else as the sources make one, a text. */
type WithId<D, Shown> = Flat<
  { _id: IdOf<D> } & { [K in keyof Shown as K extends '_id' ? never : K]: Shown[K] }
>

type IdOf<D> = D extends { _id?: infer Id }
  ? unknown extends Id
    ? Json
    : Jsonified<Exclude<Id, undefined>>
  : string

/**
 * The same type, shown as one object: of that intersection, editors show the fields and not how they came
 * about.
 */
type Flat<T> = { [K in keyof T]: T[K] } & {}

/**
 * A value's image, which may be `undefined`: what JSON leaves out, and what is neither object nor array below
 * a partial manifest.
 */
type Image<V, M> =
  IsAny<V> extends true
    ? V
    : unknown extends V
      ? Json | undefined
      : [M] extends [boolean]
        ? Whole<V>
        : Part<V, M>

type Whole<V> = [V] extends [Json | undefined]
  ? V
  : V extends Nothing
    ? undefined
    : V extends null | boolean | number | string
      ? V
      : V extends bigint | BsonLong
        ? number | string
        : V extends BsonNumber
          ? number
          : V extends Leaf
            ? string
            : V extends { toJSON(): infer J }
              ? Image<J, true>
              : V extends readonly unknown[]
                ? { -readonly [K in keyof V]: Element<Image<V[K], true>> }
                : WholeFields<V>

type Part<V, M> = V extends Imageless
  ? undefined
  : V extends readonly unknown[]
    ? { -readonly [K in keyof V]: Element<Image<V[K], M>> }
    : PartFields<V, M>

type Element<T> = IsAny<T> extends true ? T : Exclude<T, undefined> | (undefined extends T ? null : never)

type WholeFields<V> = Flat<
  { -readonly [K in keyof V as Presence<V[K], true> extends 'sure' ? K : never]: Image<V[K], true> } & {
    -readonly [K in keyof V as Presence<V[K], true> extends 'maybe' ? K : never]?: Exclude<
      Image<V[K], true>,
      undefined
    >
  }
>

type PartFields<V, M> = Flat<
  { [K in keyof V & keyof M as Presence<V[K], M[K]> extends 'sure' ? K : never]: Image<V[K], M[K]> } & {
    [K in keyof V & keyof M as Presence<V[K], M[K]> extends 'maybe' ? K : never]?: Exclude<
      Image<V[K], M[K]>,
      undefined
    >
  }
>

/** Whether a value has an image; by its outermost type alone, so that types may hold themselves. */
type Presence<V, M> =
  IsAny<V> extends true
    ? 'sure'
    : unknown extends V
      ? 'maybe'
      : [M] extends [boolean]
        ? PresenceBut<V, Nothing>
        : PresenceBut<V, Imageless>

type PresenceBut<V, Left> = [V] extends [Left]
  ? 'never'
  : [Extract<V, Left>] extends [never]
    ? 'sure'
    : 'maybe'

/**
 * The type of a source's documents: of its collection, or of what its `payload` answers with where the
 * function's type tells.
 */
type DocumentOf<Source> = Source extends { collection: { readonly $document?: infer D } }
  ? unknown extends D
    ? Document
    : Exclude<D, undefined>
  : Source extends { payload: (...args: never[]) => infer Answer }
    ? Awaited<Answer> extends infer Payload
      ? [Payload] extends [{ data: readonly (infer D)[] }]
        ? D
        : Document
      : never
    : Document

type ManifestOf<Source> = Source extends { manifest: infer M } ? M : true

/**
 * The client's model by its server's options, `ModelOf<typeof options>`: each root's documents, with the
 * fields that its manifest lists. What is no options of a server is a model itself: `ModelOf<{ users: User[]
 * }>`.
 */
export type ModelOf<T> = T extends { dataSources: infer Sources }
  ? Sources extends readonly unknown[]
    ? T
    : string extends keyof Sources
      ? Model
      : {
          -readonly [Root in keyof Sources as Sources[Root] extends { params: unknown }
            ? never
            : Root]: Shown<Sources[Root]>[]
        }
  : T

type Shown<Source> = Visible<DocumentOf<Source>, ManifestOf<Source>>

/** A validator by the Standard Schema (https://standardschema.dev), as zod, valibot and arktype are. */
type Schema<Input> = { '~standard': { types?: { input: Input } | undefined } }

type ParamOf<Type> =
  Type extends Schema<infer Input>
    ? Input
    : Type extends 'string' | 'number' | 'boolean'
      ? { string: string; number: number; boolean: boolean }[Type]
      : Type extends 'id'
        ? string | number
        : string | number | boolean

/**
 * A source's parameters, by the types that it declares. A `string` in the declaration stands for any type:
 * that is what an object's `'number'` is widened to.
 */
type ParamsOf<Params> =
  Params extends Schema<infer Input extends object>
    ? Input
    : { [Name in keyof Params]: ParamOf<Params[Name]> }

/** The parameters of a source that can be watched. */
export type WatchParams<Watches, Source extends keyof Watches> = Watches[Source] extends { params: infer P }
  ? P
  : never

/** The documents of a source that can be watched. */
export type WatchDocument<Watches, Source extends keyof Watches> = Watches[Source] extends {
  document: infer D
}
  ? D
  : never

/** Any parameters, where the options' type does not tell them. */
type AnyParams = { readonly [name: string]: string | number | boolean }

/**
 * What a client can watch by its server's options, `WatchesOf<typeof options>`: the parameters and the documents
 * of each source with `params`. By a model, the documents of each root with any parameters.
 */
export type WatchesOf<T> = T extends { dataSources: infer Sources }
  ? string extends keyof Sources
    ? { [source: string]: { params: AnyParams; document: Document } }
    : {
        [Root in keyof Sources as Sources[Root] extends { params: unknown } ? Root : never]: {
          params: Sources[Root] extends { params: infer Params } ? ParamsOf<Params> : never
          document: Shown<Sources[Root]>
        }
      }
  : { [Root in keyof T]: { params: AnyParams; document: T[Root] extends readonly (infer D)[] ? D : never } }

/**
 * The same model while it is being loaded: a root is there once all of its documents are. (For a model itself
 * it is the plain `Partial`, from which its type can be inferred.)
 */
export type PartialModelOf<T> = T extends { dataSources: unknown } ? Partial<ModelOf<T>> : Partial<T>

/** The data of the root that a pattern begins with, such as `users.address.*`. */
export type DataOf<M, Pattern extends string> = (
  Pattern extends `${infer Root}.${string}`
    ? Root
    : Pattern
) extends infer Root
  ? Root extends keyof M
    ? M[Root]
    : Document[]
  : never
