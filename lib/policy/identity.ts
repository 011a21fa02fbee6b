import { canonical, toJson } from '../model/json.ts'

// biome-ignore lint/suspicious/noExplicitAny: an identity whose type nothing tells is the application's to know.
export type AnyIdentity = any

/**
 * A text that is the same for equal identities, whatever the order of their fields, and differs for others.
 * An identity's JSON form counts.
 */
export function identityKey(identity: unknown): string {
  return identity === undefined ? '' : canonical(toJson(identity))
}
