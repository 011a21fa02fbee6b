import { createHash } from 'node:crypto'

/** A short text that is the same for equal views and tells nothing of them. */
export function fingerprint(key: string): string {
  return createHash('sha256').update(key).digest('base64url').slice(0, 12)
}

/** The fingerprints of views, by root. */
export function fingerprintsOf(views: readonly { root: string; key: string }[]): Record<string, string> {
  return Object.fromEntries(views.map(({ root, key }) => [root, fingerprint(key)]))
}

/**
 * Names a set of views by a short text, which stays on the server, or goes out sealed: those who guess at the
 * views could tell it.
 */
export function rightsOf(views: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(views).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(sorted)).digest('base64url').slice(0, 8)
}
