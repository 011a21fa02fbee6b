import type { Criteria } from '../../policy/criteria.ts'
import type { AnyIdentity } from '../../policy/identity.ts'
import type { CheckedManifest, Manifest, WidenedManifest } from '../../policy/manifest.ts'
import type { CallbackSource } from '../../source/callbacks/index.ts'
import type { CollectionHandle } from '../../source/source.ts'

/** A source whose data the application reads and follows by functions of its own. */
export interface CallbacksOptions<M = Manifest, Identity = AnyIdentity> extends CallbackSource<Identity> {
  /** The fields that clients may see. */
  manifest: M
}

/** A source that is a collection of an adapter: `memory()`, `mongo(db)`. */
export interface CollectionOptions<M = Manifest, Identity = AnyIdentity> {
  /** The fields that clients may see. */
  manifest: M
  /** `adapter.collection(name)`. */
  collection: CollectionHandle
  /**
   * Which documents a client may see: a query whose strings that start with `@` come from the identity or
   * follow a relation, or a function of the identity. Default: all.
   */
  criteria?: Criteria<Identity> | undefined
  /**
   * In which order clients have the documents: fields with 1 or -1 each, as in `{ at: -1 }`; documents that
   * are equal by them are ordered by `_id`.
   */
  sort?: Record<string, 1 | -1> | undefined
  /** How many documents a client has at most: the first ones by `sort`. Default: all. */
  limit?: number | undefined
}

/** Describes a root: a collection of an adapter, or two functions of the application. */
export type DataSource<M = Manifest, Identity = AnyIdentity> =
  | CallbacksOptions<M, Identity>
  | CollectionOptions<M, Identity>

/**
 * Sources by root; also those of an object without a type of its own, where the manifest's `true` is of the
 * type `boolean`.
 */
export type DataSources<Identity = AnyIdentity> = Record<string, DataSource<WidenedManifest, Identity>>

/** Sources without what is refused at run time: unknown options, and manifests with `false` in them. */
export type CheckedSources<Sources> = {
  [Root in keyof Sources]: {
    [Name in keyof Sources[Root]]: Name extends 'manifest'
      ? CheckedManifest<Sources[Root][Name]>
      : Name extends keyof CallbacksOptions | keyof CollectionOptions
        ? Sources[Root][Name]
        : never
  }
}

/** Documents that `identityLookup` reads. */
export interface Dependency<Identity = AnyIdentity> {
  /** `adapter.collection(name)`. */
  collection: CollectionHandle
  /** Which of its documents: as a source's criteria, without relations. Default: all. */
  criteria?: Criteria<Identity> | undefined
}

/**
 * What an identity depends on: a list, in whose criteria strings that start with `@` come from the identity,
 * or a function of what `identityLookup` found and of what the client presented.
 */
export type DependsOn<Identity = AnyIdentity> =
  | readonly Dependency<Identity>[]
  | ((identity: Identity, given: AnyIdentity) => readonly Dependency<Identity>[] | null | undefined)
