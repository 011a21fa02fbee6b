import { canonical, toJson } from '../model/json.ts'

// biome-ignore lint/suspicious/noExplicitAny: only the application knows the type of its identities.
export type AnyIdentity = any

/**
 * Returns a text for an identity's JSON form: equal identities have equal texts, whatever the order of their
 * fields, and different identities have different texts.
 */
export function identityKey(identity: unknown): string {
  return identity === undefined ? '' : canonical(toJson(identity))
}
