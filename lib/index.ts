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
export type { ClientOptions, Listener, Status } from './client/index.ts'
export type { ErrorCode } from './errors.ts'
export type { Document, Id, Json, Model } from './model/document.ts'
export type { Operation, OperationName } from './model/operation.ts'
export type { Jsonified, ModelOf, Visible } from './model/shape.ts'
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
// All that the default export has comes by name too: `require('particle')` gives the names.
export { Client, middleware, ParticleError, related, Server }
