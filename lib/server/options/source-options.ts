import type { Criteria } from '../../policy/criteria.ts'
import type { AnyIdentity } from '../../policy/identity.ts'
import type { CheckedManifest, Manifest, WidenedManifest } from '../../policy/manifest.ts'
import type { CheckedParams, ParamValues, WidenedParams } from '../../policy/params.ts'
import type { CallbackSource } from '../../source/callbacks/index.ts'
import type { CollectionHandle } from '../../source/source.ts'

/** Configures a source whose data the application reads and follows by its own functions. */
export interface CallbacksOptions<M = Manifest, Identity = AnyIdentity> extends CallbackSource<Identity> {
  /** The fields that clients may see. */
  manifest: M
}

/** Configures a source that is a collection of an adapter: `memory()`, `mongo(database)`. */
export interface CollectionOptions<M = Manifest, Identity = AnyIdentity> {
  /** The fields that clients may see. */
  manifest: M
  /** `adapter.collection(name)`. */
  collection: CollectionHandle
  /**
   * Selects the documents that a client may see: a query, or a function of the identity that returns a query.
   * In a query, strings that start with `@` come from the identity or follow a relation. Default: all
   * documents.
   */
  criteria?: Criteria<Identity> | undefined
  /**
   * Orders the clients' documents: fields with 1 (ascending) or -1 (descending), as in `{ at: -1 }`. Equal
   * documents are ordered by `_id`.
   */
  sort?: Record<string, 1 | -1> | undefined
  /** Limits the number of a client's documents to the first ones by `sort`. Default: no limit. */
  limit?: number | undefined
  /**
   * Declares parameters: `{ room: 'string' }`, with `string`, `number`, `boolean`, `id` or a Standard Schema
   * for each, or a schema for all. Clients get such a source only where they watch it with parameters:
   * `client.watch('messages', { room: 7 })`.
   */
  params?: WidenedParams | undefined
  /**
   * Decides whether an identity may watch the source with these parameters. Called when a client asks, and
   * again whenever the identity is looked up again. Default: all clients may.
   */
  allow?: ((identity: Identity, params: ParamValues) => boolean | Promise<boolean>) | undefined
  /** Limits the `limit` that a page may ask for by `more()`. Default: `limit`. */
  maxLimit?: number | undefined
}

/** Describes a root: a collection of an adapter, or two functions of the application. */
export type DataSource<M = Manifest, Identity = AnyIdentity> =
  | CallbacksOptions<M, Identity>
  | CollectionOptions<M, Identity>

/**
 * Describes the sources by root. The type accepts untyped objects too, whose manifests have `boolean` in
 * place of `true`.
 */
export type DataSources<Identity = AnyIdentity> = Record<string, DataSource<WidenedManifest, Identity>>

/**
 * Rejects at compile time what the server refuses at run time: unknown options, and manifests with `false`.
 * Rejects manifests with a field that the documents' type lacks, too.
 */
export type CheckedSources<Sources> = {
  [Root in keyof Sources]: {
    [Name in keyof Sources[Root]]: Name extends 'manifest'
      ? CheckedManifest<Sources[Root][Name], CollectionDocument<Sources[Root]>>
      : Name extends 'params'
        ? CheckedParams<Sources[Root][Name]>
        : Name extends keyof CallbacksOptions | keyof CollectionOptions
          ? Sources[Root][Name]
          : never
  }
}

/** The type of a collection's documents, which all have an `_id`; `unknown` for another source. */
type CollectionDocument<Source> = Source extends { collection: { readonly $document?: infer D } }
  ? unknown extends D
    ? unknown
    : Exclude<D, undefined> & { _id?: unknown }
  : unknown

/** Names documents that `identityLookup` reads. */
export interface Dependency<Identity = AnyIdentity> {
  /** `adapter.collection(name)`. */
  collection: CollectionHandle
  /**
   * Selects documents of the collection, as a source's criteria without relations. Default: all documents.
   */
  criteria?: Criteria<Identity> | undefined
}

/**
 * Lists the dependencies of an identity, or computes the list from the answer of `identityLookup` and the
 * value that the client presented. In a list's criteria, strings that start with `@` come from the identity.
 */
export type DependsOn<Identity = AnyIdentity> =
  | readonly Dependency<Identity>[]
  | ((identity: Identity, given: AnyIdentity) => readonly Dependency<Identity>[] | null | undefined)
