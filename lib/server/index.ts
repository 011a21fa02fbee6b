export type { Handler } from './middleware.ts'
export type {
  CallbacksOptions,
  CollectionOptions,
  DataSource,
  DataSources,
  Dependency,
  DependsOn,
  Identified,
  IdentityLookup,
  ServerOptions,
} from './options.ts'
export type { Receiver } from './receiver.ts'
export { Server, type Stats } from './server.ts'
export type { CreateMiddleware, ServerConstructor } from './typed.ts'
