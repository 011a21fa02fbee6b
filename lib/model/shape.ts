import type { Document, Json, Model } from './document.ts'

type IsAny<T> = 0 extends 1 & T ? true : false

/** Describes the BSON classes that are texts in JSON, and those that are numbers if they fit. */
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

/** Describes an object of the source that is a single value in JSON. */
type Leaf = BsonText | BsonNumber | BsonLong | Uint8Array | Date | RegExp | { toHexString(): string }
type Nothing = undefined | symbol | ((...args: never[]) => unknown)
/**
 * Describes values that are neither object nor array in JSON, so that a partial manifest shows nothing of
 * them.
 */
type Imageless = Nothing | null | boolean | number | string | bigint | Leaf | { toJSON(): unknown }

/**
 * Converts a type to its JSON form, as clients get it: dates, ObjectIds and binaries are texts, 64-bit
 * integers a number or a text. Fields that are `undefined` or functions are left out (and are null in an
 * array).
 */
export type Jsonified<T> = IsAny<T> extends true ? T : Exclude<Image<T, true>, undefined>

/**
 * Converts the type `D` of a source's documents to their visible image under the manifest `M`: the listed
 * fields, in JSON form. A `boolean` in the manifest stands for `true`, because TypeScript widens an object's
 * `true`.
 */
export type Visible<D, M> = D extends unknown
  ? IsAny<D> extends true
    ? D
    : WithId<D, M extends boolean ? WholeFields<D> : PartFields<D, M>>
  : never

/** Adds the `_id`, which is always visible: with its declared type, or else a text, as sources make it. */
type WithId<D, Shown> = Flat<
  { _id: IdOf<D> } & { [K in keyof Shown as K extends '_id' ? never : K]: Shown[K] }
>

type IdOf<D> = D extends { _id?: infer Id }
  ? unknown extends Id
    ? Json
    : Jsonified<Exclude<Id, undefined>>
  : string

/** Flattens an intersection into one object type, so that editors show its fields. */
type Flat<T> = { [K in keyof T]: T[K] } & {}

/**
 * Converts a value's type to its image. The image may be `undefined`: for values that JSON leaves out, and
 * below a partial manifest for values that are neither object nor array.
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

/**
 * Checks that a value has an image. Looks at the outermost type only, so that types may contain themselves.
 */
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

/** Finds the type of a source's documents: from its collection, or from its `payload`'s declared result. */
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
 * Converts server options to the client's model, `ModelOf<typeof options>`: the documents of each root, with
 * the fields of its manifest. A type without `dataSources` is a model already: `ModelOf<{ users: User[] }>`.
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
 * What a client can watch by its server's options, `WatchesOf<typeof options>`: the parameters and the
 * documents of each source with `params`. By a model, the documents of each root with any parameters.
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
 * Describes the model during loading: a root appears once all of its documents have arrived. (A plain model
 * gives `Partial`, from which TypeScript can infer the model.)
 */
export type PartialModelOf<T> = T extends { dataSources: unknown } ? Partial<ModelOf<T>> : Partial<T>

/** Finds the data of the root at the start of a pattern such as `users.address.*`. */
export type DataOf<M, Pattern extends string> = (
  Pattern extends `${infer Root}.${string}`
    ? Root
    : Pattern
) extends infer Root
  ? Root extends keyof M
    ? M[Root]
    : Document[]
  : never

/** Finds the type of one document of a list. */
export type ElementOf<Documents> = Documents extends readonly (infer D)[] ? D : never
