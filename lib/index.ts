import { Client } from './client/node.ts'
import { ParticleError } from './errors.ts'
import { related } from './policy/relation.ts'
import {
  type CheckedSources,
  type DataSources,
  type Handler,
  Server,
  type ServerOptions,
} from './server/index.ts'

/** The handler of a new server: `app.use(particle.middleware(options))`. */
const middleware = <const S extends DataSources>(options: ServerOptions<S & CheckedSources<S>>): Handler =>
  new Server<S>(options).middleware()

const particle = { middleware, Server, Client, ParticleError, related }

export default particle
export type { ClientOptions, Listener, Notify, Snapshots, Status } from './client/index.ts'
export type { ErrorCode } from './errors.ts'
export type { Document, Id, Json, Model } from './model/document.ts'
export type { Operation, OperationName } from './model/operation.ts'
export type { Jsonified, ModelOf, PartialModelOf, Visible } from './model/shape.ts'
export type { Criteria } from './policy/criteria.ts'
export type { Manifest } from './policy/manifest.ts'
export type { CacheConfig, Relation } from './policy/relation.ts'
export type { ServerEvent } from './protocol/messages.ts'
export type {
  CallbacksOptions,
  CollectionOptions,
  DataSource,
  DataSources,
  Dependency,
  DependsOn,
  Handler,
  IdentityLookup,
  Receiver,
  ServerOptions,
  Stats,
} from './server/index.ts'
export type {
  Adapter,
  Change,
  ChangeListener,
  CollectionChange,
  CollectionHandle,
  DocumentChange,
  Query,
  Reading,
  Subscription,
} from './source/source.ts'
// 'module.exports' is what `require('particle')` gives in place of the module's namespace: the object alone, so that all that a
// CommonJS user needs at run time must be on it. Types come by name to both kinds of modules.
export { Client, ParticleError, particle as 'module.exports', related, Server }
