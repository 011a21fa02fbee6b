import type { Document, Json } from '../model/document.ts'
import type { DocumentOperation } from '../model/operation.ts'

/** The version of the protocol. A client refuses to talk to a server of another one. */
export const PROTOCOL = 1

/** The names of all events on the wire. */
export const EVENTS = [
  'manifest',
  'payload',
  'delta',
  'ready',
  'reset',
  'revoked',
  'error',
  'session',
  'renew',
  'ping',
] as const

/** Names an event on the wire. */
export type EventName = (typeof EVENTS)[number]

/** An operation as it is sent: `{ operation, id, path, data?, at? }`. */
export type WireOperation = Omit<DocumentOperation, 'keys'>

/** A manifest as it is sent: `true` for all of a value, or the fields that may be seen. */
export type WireManifest = true | { [field: string]: WireManifest }

/** What each event carries. All times are ISO 8601 texts. */
export interface EventData {
  /**
   * First of all: what the client may see. `resumed` tells whether its position held; where it did not,
   * `reason` tells why.
   */
  manifest: {
    protocol: number
    timestamp: string
    resumed: boolean
    reason?: string
    sources: Record<string, WireManifest>
  }
  /**
   * A part (counted from 0) of a root's documents. The client shows the root when the `last` part is there.
   */
  payload: { root: string; timestamp: string; data: Document[]; part: number; last: boolean }
  /** What changed in a root. */
  delta: { root: string; timestamp: string; oplist: WireOperation[] }
  /** The model is complete. */
  ready: { timestamp: string }
  /** What follows replaces the root. */
  reset: { root: string; reason: string }
  /** The identity lost its rights: the stream ends, and the client does not come back by itself. */
  revoked: { reason: string }
  /** Something went wrong. The message never is the text of an internal error. */
  error: { root?: string; code: string; message: string }
  /** A renewed token. */
  session: { token: string; expiresAt: string }
  /**
   * The client is to present itself anew within so many milliseconds, by a handshake that names its token:
   * the token's time is up soon (`expiring`), or its rights may have changed (`refresh`, `dependency`), and
   * only a request of the client can tell who it is.
   */
  renew: { reason: string; within: number }
  /** A sign of life. */
  ping: { timestamp: string }
}

/**
 * Any event, with the position (`id`) that the client holds once it has applied it, if the event carries one.
 */
export type ServerEvent = { [N in EventName]: { event: N; data: EventData[N]; id?: string } }[EventName]

/**
 * What a client posts to open a session. `previous` is the token of its last one, whose position it wants to
 * go on from.
 */
export interface HandshakeRequest {
  identity: Json
  previous?: string
  /**
   * Where the token is going to stand: in a header or a body. Without it, the answer's `stream` has a ticket,
   * and a cookie is set.
   */
  carrier?: 'header'
}

/** What the server answers to a handshake. */
export interface HandshakeAnswer {
  /** The sealed token. */
  token: string
  /** The session's id. */
  session: string
  /** The path of the stream, with the session in its query: `/particle/stream?session=<id>`. */
  stream: string
  /** When the token ends: ISO 8601. */
  expiresAt: string
  protocol: number
  /** How often the server pings, in milliseconds. */
  heartbeat: number
  /** Whether a stream of this session is open at this node, and goes on under the new token. */
  live?: boolean
}

/** The body of every answer that is not a success. */
export interface ErrorAnswer {
  error: { code: string; message: string }
}

/** An operation without what only the server may know (`keys`). */
export function wireOperation(op: DocumentOperation): WireOperation {
  const { operation, id, path, data, at } = op
  const wire: WireOperation = data === undefined ? { operation, id, path } : { operation, id, path, data }
  if (at !== undefined) wire.at = at
  return wire
}
