import { hash } from 'node:crypto'

/**
 * Computes a short text from a view's key. Equal views have equal fingerprints, which reveal nothing of the
 * key.
 */
export function fingerprint(key: string): string {
  return hash('sha256', key, 'base64url').slice(0, 12)
}

/** Returns the fingerprints of views, by root. */
export function fingerprintsOf(views: readonly { root: string; key: string }[]): Record<string, string> {
  const fingerprints: Record<string, string> = {}
  for (const { root, key } of views) fingerprints[root] = fingerprint(key)
  return fingerprints
}

/**
 * Computes a short text from a set of views. It stays on the server, or is sent sealed: a client could use it
 * to verify a guess at the views.
 */
export function rightsOf(views: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(views).sort(([a], [b]) => (a < b ? -1 : 1))
  return hash('sha256', JSON.stringify(sorted), 'hex').slice(0, 12)
}
