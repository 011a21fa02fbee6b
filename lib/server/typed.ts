import type { Identified } from './options/identity-lookup.ts'
import type { ServerOptions } from './options/options.ts'
import type { CheckedSources, DataSources } from './options/source-options.ts'
import type { Handler, Server } from './server.ts'

/**
 * The options of a server with sources of the type `S`, whose `identityLookup` answers with `Found`.
 * Functions of the identity take its type from `DataSources`. The checks of `S` are a separate part, since a
 * type that is still inferred would hide the identity's type.
 */
type TypedOptions<S, Found> = ServerOptions<DataSources<Identified<Found>> & S, Found> &
  NoInfer<{ dataSources: CheckedSources<S> }>

/**
 * Creates a server. Its types check options that can't be checked at run time: manifests that hide by
 * `false`, unknown options, and functions of the identity, which receive the answer's type of
 * `identityLookup`.
 */
export interface ServerConstructor {
  /** @throws ParticleError `INVALID_OPTION`, `INVALID_MANIFEST` or `INVALID_QUERY` when an option is wrong */
  new <const S extends Record<string, object> = Record<string, object>, Found = unknown>(
    options: TypedOptions<S, Found>,
  ): Server<Identified<Found>>
}

/** Creates a server as {@link ServerConstructor} does, and returns its handler. */
export type CreateMiddleware = <
  const S extends Record<string, object> = Record<string, object>,
  Found = unknown,
>(
  options: TypedOptions<S, Found>,
) => Handler<Identified<Found>>
