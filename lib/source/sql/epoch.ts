import { createHash } from 'node:crypto'

/** Returns a short text that is equal for equal parts. */
export function epochOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12)
}
