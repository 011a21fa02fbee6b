export type { IdentityLookup } from './identity-lookup.ts'
export type { Handler } from './middleware.ts'
export type { ServerOptions } from './options.ts'
export type { Receiver } from './receiver.ts'
export { Server } from './server.ts'
export type {
  CallbacksOptions,
  CollectionOptions,
  DataSource,
  DataSources,
  Dependency,
  DependsOn,
} from './source-options.ts'
export type { Stats } from './stats.ts'
export type { CreateMiddleware, ServerConstructor } from './typed.ts'
