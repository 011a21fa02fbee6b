export type { Handler } from './middleware.ts'
export type {
  CallbacksOptions,
  CheckedSources,
  CollectionOptions,
  DataSource,
  DataSources,
  Dependency,
  DependsOn,
  IdentityLookup,
  ServerOptions,
} from './options.ts'
export type { Receiver } from './receiver.ts'
export { Server, type Stats } from './server.ts'
