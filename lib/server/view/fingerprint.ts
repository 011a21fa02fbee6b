import { createHash } from 'node:crypto'

/**
 * Computes a short text from a view's key. Equal views have equal fingerprints, which reveal nothing of the
 * key.
 */
export function fingerprint(key: string): string {
  return createHash('sha256').update(key).digest('base64url').slice(0, 12)
}

/** Returns the fingerprints of views, by root. */
export function fingerprintsOf(views: readonly { root: string; key: string }[]): Record<string, string> {
  return Object.fromEntries(views.map(({ root, key }) => [root, fingerprint(key)]))
}

/**
 * Computes a short text from a set of views. It stays on the server, or is sent sealed: a client could use it
 * to verify a guess at the views.
 */
export function rightsOf(views: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(views).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 12)
}
