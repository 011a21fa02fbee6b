import { Client } from './client/index.ts'
import { ParticleError } from './errors.ts'
import { escapePattern } from './model/pattern.ts'
import type { AnyIdentity } from './policy/identity.ts'
import { related } from './policy/relation.ts'
import {
  type CreateMiddleware,
  importMap,
  type ServerConstructor,
  type ServerOptions,
  toScript,
  Server as UntypedServer,
} from './server/index.ts'

/** Keeps each client's local model equal to the sources' documents that the client may see. */
const Server = UntypedServer as ServerConstructor
type Server<Identity = AnyIdentity> = UntypedServer<Identity>

/** Creates a server, and returns its handler: `app.use(particle.middleware(options))`. */
const middleware: CreateMiddleware = (options) => new UntypedServer(options as ServerOptions).middleware()

const particle = { middleware, Server, Client, ParticleError, related, escapePattern, importMap, toScript }

export default particle
export type {
  ClientOptions,
  Listener,
  Notify,
  Snapshots,
  Status,
  Watch,
  WatchPattern,
  WatchStatus,
} from './client/index.ts'
export type { ErrorCode } from './errors.ts'
export type { Document, Id, Json, Model } from './model/document.ts'
export type { Operation, OperationName } from './model/operation.ts'
export type { Jsonified, ModelOf, PartialModelOf, Visible, WatchesOf } from './model/shape.ts'
export type { Criteria } from './policy/criteria.ts'
export type { Manifest } from './policy/manifest.ts'
export type { CacheConfig, Relation } from './policy/relation.ts'
export type { InitialModel } from './protocol/initial.ts'
export type { ServerEvent } from './protocol/messages.ts'
export type {
  CallbacksOptions,
  CollectionOptions,
  DataSource,
  DataSources,
  DebugEvent,
  DebugFields,
  DebugName,
  Dependency,
  DependsOn,
  Handler,
  IdentityLookup,
  InspectorGuard,
  ProbeHandler,
  Readiness,
  Receiver,
  RootStats,
  ServerOptions,
  SnapshotRoots,
  SourceStats,
  Stats,
} from './server/index.ts'
export type {
  Adapter,
  Change,
  ChangeListener,
  CollectionChange,
  CollectionHandle,
  DocumentChange,
  EncodedChange,
  EncodedListener,
  HostRole,
  Query,
  Reading,
  ReportedChange,
  Subscription,
} from './source/source.ts'
// Exports all parts of the default export by name too, since `require('particle')` returns the names.
export { Client, escapePattern, importMap, middleware, ParticleError, related, Server, toScript }
