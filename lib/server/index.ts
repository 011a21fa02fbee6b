export type { Receiver } from './delivery/receiver.ts'
export type { ProbeHandler, Readiness } from './health.ts'
export { importMap } from './http/browser-modules.ts'
export { toScript } from './http/embedding.ts'
export type { IdentityLookup } from './options/identity-lookup.ts'
export type { InspectorGuard } from './options/inspector-guard.ts'
export type { ServerOptions } from './options/options.ts'
export type {
  CallbacksOptions,
  CollectionOptions,
  DataSource,
  DataSources,
  Dependency,
  DependsOn,
} from './options/source-options.ts'
export { type Handler, Server } from './server.ts'
export type { SnapshotRoots } from './sessions/snapshot-roots.ts'
export type { RootStats, SourceStats, Stats } from './stats.ts'
export type { DebugEvent, DebugFields, DebugName } from './support/diagnostics.ts'
export type { CreateMiddleware, ServerConstructor } from './typed.ts'
