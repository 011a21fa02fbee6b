import type { Claims, Opened } from '../tokens/token.ts'

/** An opened token, or the content of a new one. */
export type Admission = Opened<Claims>

/** Describes the result of a stream's admission. */
export interface Admitted {
  /** The client's admission; undefined when the server needs no token. */
  admission?: Admission | undefined
  /** Whether the identity was looked up again. */
  renewed: boolean
  /** Whether only a handshake of the client can renew its token; default: no. */
  asks?: boolean
}

/** Describes the answer to a handshake. */
export interface Granted {
  token: string
  session: string
  expiresAt: Date
  /** Whether an open stream of the session continues under the new token. */
  live: boolean
  /** The digest of the identity, which is equal for equal identities. */
  identity: string
  /** The ticket, which opens a stream by its address, if the handshake asked for a ticket. */
  ticket: string | undefined
}

/** What a request proves its session by. */
export interface Credentials {
  /** The token or ticket. */
  token: string | undefined
  /** The values of the browser cookies, which a ticket needs. */
  browsers: readonly string[]
  /** The address that the request is counted under: see `addressOf`. */
  address: string | undefined
}
