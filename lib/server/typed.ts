import type { Identified } from './options/identity-lookup.ts'
import type { ServerOptions } from './options/options.ts'
import type { CheckedSources, DataSources } from './options/source-options.ts'
import type { Handler, Server } from './server.ts'

/**
 * The options of a server with sources of the type `S`, whose `identityLookup` answers with `Found`.
 * Functions of the identity take its type from `DataSources`; the checks of `S` stand beside, since a type
 * that is still to be inferred would hide it from them.
 */
type TypedOptions<S, Found> = ServerOptions<DataSources<Identified<Found>> & S, Found> &
  NoInfer<{ dataSources: CheckedSources<S> }>

/**
 * Makes a server, and checks more of its options by their types than can be checked at run time: manifests
 * that hide by `false`, unknown options, and functions of the identity, which know the type that
 * `identityLookup` answers with.
 */
export interface ServerConstructor {
  /**
   * @throws ParticleError `INVALID_OPTION`, `INVALID_MANIFEST` or `INVALID_QUERY` where the options aren't
   * right.
   */
  new <const S extends Record<string, object> = Record<string, object>, Found = unknown>(
    options: TypedOptions<S, Found>,
  ): Server<Identified<Found>>
}

/** Makes a server as {@link ServerConstructor} does, and gives its handler. */
export type CreateMiddleware = <
  const S extends Record<string, object> = Record<string, object>,
  Found = unknown,
>(
  options: TypedOptions<S, Found>,
) => Handler<Identified<Found>>
