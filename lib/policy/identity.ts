import { canonical, toJson } from '../model/json.ts'

/**
 * A text that is the same for equal identities, whatever the order of their fields, and differs for others. An identity's JSON form counts.
 */
export function identityKey(identity: unknown): string {
  return identity === undefined ? '' : canonical(toJson(identity))
}
