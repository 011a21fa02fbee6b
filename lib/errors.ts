/**
 * Lists the codes of {@link ParticleError}. Codes are stable; messages may be reworded.
 *
 * - `INVALID_OPTION`: an option of the server, the client or a source is unknown, contradictory or of the
 *   wrong type.
 * - `MISCONFIGURED`: a warning about valid options that together have a probably unwanted effect. `onError`
 *   gets it once, and nothing is refused.
 * - `INVALID_MANIFEST`: a manifest is not `true` or a nested object of `true`.
 * - `INVALID_PATH`: a path is empty or malformed, has more than 200 segments, or names `__proto__`,
 *   `constructor` or `prototype`; or `keys` holds something other than names and positions.
 * - `INVALID_OPERATION`: an operation is unknown, its data does not fit it or the document, or its data or
 *   `_id` has more than 200 levels; or a value has no JSON form.
 * - `INVALID_MESSAGE`: a request's body, an answer or an event is not of the documented shape (HTTP 400):
 *   another route or a proxy may have answered.
 * - `INVALID_QUERY`: a criteria or a query uses what is not supported.
 * - `DOCUMENT_NEEDED`: an operation can't be filtered without the document it is about.
 * - `BODY_TOO_LARGE`: a request's body is over the limit (HTTP 413).
 * - `BODY_TOO_SLOW`: a request's body did not arrive in time (HTTP 408).
 * - `UNSUPPORTED_MEDIA_TYPE`: a request's body is not JSON (HTTP 415).
 * - `UNAUTHORIZED`: the identity was refused, or a token is missing, forged or expired (HTTP 401).
 * - `REPLACED`: a newer stream of the same identity has replaced the client's stream, by the server's option
 *   `limits.excessStreams`.
 * - `TOKEN_STALE`: the rights were refreshed after the token was issued; the client must make a new handshake
 *   (HTTP 401).
 * - `TOKEN_EXPIRED`: the client did not renew the token of its open stream in time; the client must make a
 *   new handshake.
 * - `INVALID_PARAMS`: the parameters of a watched root are missing, unknown or of the wrong type, or no
 *   source with parameters has the root's name.
 * - `FORBIDDEN`: the client may not watch this root, or the request may not see the inspector (HTTP 403).
 * - `TOO_MANY_HANDSHAKES`: more handshakes come or wait at once than a limit allows (HTTP 429).
 * - `TOO_MANY_REQUESTS`: more requests about open streams come or wait at once than a limit allows (HTTP
 *   429).
 * - `TOO_MANY_STREAMS`: an address or an identity has as many streams as a limit allows (HTTP 429, or the end
 *   of a stream that continues as such an identity).
 * - `TIMED_OUT`: `client.reached` did not come to the position in time, or the sources did not answer
 *   `server.snapshot` in time.
 * - `UNAVAILABLE`: the server is full, is closing, or `identityLookup` failed (HTTP 503).
 * - `NOT_FOUND`: there is no such route (HTTP 404; only without a later handler).
 * - `METHOD_NOT_ALLOWED`: the route requires another method (HTTP 405).
 * - `CALLBACK_FAILED`: a function of the application threw, rejected, never answered, answered twice, or
 *   answered with a value that JSON cannot hold.
 * - `SOURCE_FAILED`: a data source could not be read or followed, or did not store a decision on rights.
 * - `STORE_FAILED`: the browser's store could not be read or written (no space, or none at all). The client
 *   continues, and does not keep its model for the next visit.
 * - `LIMIT_EXCEEDED`: a root or a relation is larger, or a client watches more roots, or a server has more
 *   views or revocations, than a limit allows.
 * - `NO_REPLICA_SET`: MongoDB runs standalone, and has no change streams.
 * - `DUPLICATE_KEY`: a document with this `_id` exists already (the memory source).
 * - `CLOSED`: the server, client or source was closed.
 */
export type ErrorCode =
  | 'INVALID_OPTION'
  | 'MISCONFIGURED'
  | 'INVALID_MANIFEST'
  | 'INVALID_PATH'
  | 'INVALID_OPERATION'
  | 'INVALID_MESSAGE'
  | 'INVALID_QUERY'
  | 'DOCUMENT_NEEDED'
  | 'BODY_TOO_LARGE'
  | 'BODY_TOO_SLOW'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'UNAUTHORIZED'
  | 'REPLACED'
  | 'TOKEN_STALE'
  | 'TOKEN_EXPIRED'
  | 'INVALID_PARAMS'
  | 'FORBIDDEN'
  | 'TOO_MANY_HANDSHAKES'
  | 'TOO_MANY_REQUESTS'
  | 'TOO_MANY_STREAMS'
  | 'TIMED_OUT'
  | 'UNAVAILABLE'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'CALLBACK_FAILED'
  | 'SOURCE_FAILED'
  | 'STORE_FAILED'
  | 'LIMIT_EXCEEDED'
  | 'NO_REPLICA_SET'
  | 'DUPLICATE_KEY'
  | 'CLOSED'

/**
 * Represents every error that Particle throws, rejects with or passes to `onError`. `code` identifies the
 * kind; `cause` holds the underlying error.
 */
export class ParticleError extends Error {
  override readonly name = 'ParticleError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
