import type { Document, Json } from '../model/document.ts'
import type { DocumentOperation } from '../model/operation.ts'
import type { WatchEntry } from './watched-root.ts'

/** Versions the protocol. A client refuses a server of another version. */
export const PROTOCOL = 2

/** Lists the names of all events on the wire. */
export const EVENTS = [
  'manifest',
  'watching',
  'payload',
  'delta',
  'ready',
  'reset',
  'revoked',
  'error',
  'session',
  'renew',
  'reached',
  'ping',
] as const

/** Names an event on the wire. */
export type EventName = (typeof EVENTS)[number]

/** Describes an operation of a `delta`: `{ operation, id, path, data?, at? }`. */
export type WireOperation = Omit<DocumentOperation, 'keys'>

/** Describes a manifest on the wire: `true` for a whole value, or the visible fields. */
export type WireManifest = true | { [field: string]: WireManifest }

/** Describes the data of each event. All times are ISO 8601 strings. */
export interface EventData {
  /**
   * Opens the stream with the fields that the client may see. `resumed` states whether the stream continues
   * from the client's position; otherwise `reason` says why not.
   */
  manifest: {
    protocol: number
    timestamp: string
    resumed: boolean
    reason?: string
    sources: Record<string, WireManifest>
    /**
     * Groups the roots that share an adapter. A client shows the roots of a group as of one moment. Left out
     * where no roots share one.
     */
    together?: string[][]
  }
  /**
   * Lists the roots that the client watches from now on, with the fields of each. Later positions are for
   * these roots.
   */
  watching: { watch: WatchEntry[]; sources: Record<string, WireManifest>; together?: string[][] }
  /**
   * Carries a part (counted from 0) of a root's documents. The client shows the root after the `last` part.
   */
  payload: { root: string; timestamp: string; data: Document[]; part: number; last: boolean }
  /**
   * Carries the changes of a root. With `more`, the client keeps them, and shows them with the next delta of
   * the root's group without `more`, or with `ready`. On the wire, the data is a list, and has a timestamp
   * only if the change is older than two seconds.
   */
  delta: { root: string; timestamp: string; oplist: WireOperation[]; more?: true }
  /** Reports that the model is complete. */
  ready: { timestamp: string }
  /** Begins a new load of the root. */
  reset: { root: string; reason: string }
  /**
   * Ends the stream for good. The identity's rights are revoked, or a newer stream of the identity took its
   * place (`replaced`).
   */
  revoked: { reason: string }
  /** Reports an error. The message never holds the text of an internal error. */
  error: { root?: string; code: string; message: string }
  /** Carries a renewed token. */
  session: { token: string; expiresAt: string }
  /**
   * Requests a new handshake within a number of milliseconds, which names the client's token. The token
   * expires soon (`expiring`), or its rights may have changed (`refresh`, `dependency`). Only a request of
   * the client can prove who the client is.
   */
  renew: { reason: string; within: number }
  /** Reports that the client has all data up to a position of `server.position(root)`, which it waits for. */
  reached: { position: string }
  /** Shows that the server is alive. */
  ping: { timestamp: string }
}

/** Describes any event. `id` is the client's position after the event, if the event carries a position. */
export type ServerEvent = { [N in EventName]: { event: N; data: EventData[N]; id?: string } }[EventName]

/**
 * Describes the body of a handshake. `previous` is the last token of the client, which continues from that
 * token's position.
 */
export interface HandshakeRequest {
  identity: Json
  previous?: string
  /**
   * States that the client sends the token in a header or a body. Otherwise the answer's `stream` has a
   * ticket, and a cookie is set.
   */
  carrier?: 'header'
  /**
   * Begins a session of its own, for which the positions of `previous` stay valid. Pages that share a token
   * send this.
   */
  fork?: boolean
}

/** Describes the server's answer to a handshake. */
export interface HandshakeAnswer {
  /** The sealed token. */
  token: string
  /** The session's id. */
  session: string
  /** The path of the stream. Without a carrier, it has a ticket: `/particle/stream?token=<ticket>`. */
  stream: string
  /** The end of the token's validity: ISO 8601. */
  expiresAt: string
  protocol: number
  /** The interval of the server's pings, in milliseconds. */
  heartbeat: number
  /** Whether this node has an open stream of the session, which continues under the new token. */
  live?: boolean
  /**
   * A digest of the identity, which is equal for equal identities, and says nothing else. Tabs with the same
   * digest may share a stream.
   */
  identity?: string
}

/** Describes the body of every answer that is not a success. */
export interface ErrorAnswer {
  error: {
    code: string
    message: string
    /** The token to present as `previous`, in an answer with the code `TOKEN_STALE`. */
    token?: string
  }
}
