import type { Claims, Opened } from '../tokens/token.ts'

/** An opened token, or what would be sealed in one. */
export type Admission = Opened<Claims>

/** What came of a stream's token. */
export interface Admitted {
  /** Undefined where no token is needed. */
  admission?: Admission | undefined
  /** Whether the identity was looked up again. */
  renewed: boolean
  /** Whether only a handshake of the client can renew its token; default: no. */
  asks?: boolean
}

/** The answer to a handshake. */
export interface Granted {
  token: string
  session: string
  expiresAt: Date
  /** Whether an open stream of the session goes on under the new token. */
  live: boolean
  /** Opens a stream by its address; where the handshake asked for one. */
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
