import type { IncomingMessage } from 'node:http'
import type { Jsonified } from '../../model/shape.ts'
import type { AnyIdentity } from '../../policy/identity.ts'

/** Lists the answers that refuse a client. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function that only calls `done` returns void.
type Refusal = null | undefined | false | void

/**
 * Looks up a client's identity. `identity` is the value that the client presented, which proves nothing by
 * itself. `request` is the handshake's request (undefined for `server.register`). Its type may be narrowed:
 * `request?: express.Request`.
 *
 * The answer holds the facts about the user that the sources need, as JSON. The function returns the answer,
 * resolves to it, or passes it to `done(null, answer)`; the first answer counts. `null`, `false` and
 * `undefined` refuse the client (401), with one exception. A function that uses `done` and returns (or
 * resolves to) `undefined` may call `done` later. The server waits up to 30 s for that call, and then asks
 * the client to try again (503). A function uses `done` when its text names its second parameter after the
 * declaration, has rest parameters, or says `arguments`.
 *
 * An error (thrown, rejected or passed to `done`) means that the lookup failed (503, the client tries again).
 * An error with `status: 401` or `403` refuses the client.
 */
export type IdentityLookup<Identity = AnyIdentity> = {
  // Declares a method, because methods accept functions with a narrower type of request.
  lookup(
    identity: AnyIdentity,
    done: (error?: unknown, identity?: unknown) => void,
    request: IncomingMessage | undefined,
  ): Identity | Refusal | PromiseLike<Identity | Refusal>
}['lookup']

/**
 * Describes the identity from `identityLookup` in its JSON form, as functions of the identity get it. The
 * type is `any` when the lookup's type says nothing.
 */
export type Identified<Identity> = [unknown] extends [Identity]
  ? AnyIdentity
  : [Identity] extends [Refusal]
    ? AnyIdentity
    : Jsonified<Exclude<Identity, Refusal>>
