import type { IncomingMessage } from 'node:http'
import type { Jsonified } from '../../model/shape.ts'
import type { AnyIdentity } from '../../policy/identity.ts'

/** What refuses a client, in place of an identity. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function that only calls `done` returns void.
type Refusal = null | undefined | false | void

/**
 * Finds out who a client is. `identity` is what the client presented, which proves nothing by itself;
 * `request` is the handshake's request (undefined for `server.register`). Its type may be narrowed:
 * `request?: express.Request`.
 *
 * The answer is what the sources need to know of the user, as JSON: returned, resolved to, or given to
 * `done(null, answer)`; whichever comes first counts. `null`, `false` and `undefined` refuse the client (401)
 * in all three forms, with one exception: a function that uses `done` and returns (or resolves to)
 * `undefined` is taken to call `done` later, and is waited for, up to 30 s; then the client is told to try
 * again (503). A function uses `done` where its own text names its second parameter again after declaring it,
 * has rest parameters, or says `arguments`.
 *
 * An error, thrown, rejected with or given to `done`, means that the identity couldn't be found out (503, the
 * client tries again), unless it has `status: 401` or `403`, which refuse.
 */
export type IdentityLookup<Identity = AnyIdentity> = {
  // A method, so that a function may declare a narrower type of request.
  lookup(
    identity: AnyIdentity,
    done: (error?: unknown, identity?: unknown) => void,
    request: IncomingMessage | undefined,
  ): Identity | Refusal | PromiseLike<Identity | Refusal>
}['lookup']

/**
 * What `identityLookup` found, as functions of the identity get it: in its JSON form; `any` where its type
 * doesn't tell.
 */
export type Identified<Identity> = [unknown] extends [Identity]
  ? AnyIdentity
  : [Identity] extends [Refusal]
    ? AnyIdentity
    : Jsonified<Exclude<Identity, Refusal>>
