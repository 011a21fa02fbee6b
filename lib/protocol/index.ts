export { type ErrorCode, ParticleError } from '../errors.ts'
export { applyOp } from '../model/apply.ts'
export { applyDelta } from '../model/delta.ts'
export type { Document, Id, Json, Model } from '../model/document.ts'
export {
  type Delta,
  type DocumentOperation,
  OPERATIONS,
  type Operation,
  type OperationName,
} from '../model/operation.ts'
export { type PathSegment, parsePath } from '../model/path.ts'
export { filterDelta, filterPayload, type Manifest } from '../policy/manifest.ts'
export { matcher } from '../policy/query.ts'
export { decode } from './decode.ts'
export { encode } from './encode.ts'
export {
  type ErrorAnswer,
  EVENTS,
  type EventData,
  type EventName,
  type HandshakeAnswer,
  type HandshakeRequest,
  PROTOCOL,
  type ServerEvent,
  type WireManifest,
  type WireOperation,
} from './messages.ts'
export {
  errorAnswerSchema,
  eventSchemas,
  handshakeAnswerSchema,
  handshakeRequestSchema,
  type Schema,
} from './schemas.ts'
