import { hash } from 'node:crypto'

/** The characters of a fingerprint. */
const LENGTH = 12

/**
 * Computes the key of a view from all that tells it from others. A key reveals nothing of it, and is shorter
 * than a manifest and a criteria, which each of many views would keep.
 */
export function keyOf(parts: readonly unknown[]): string {
  return hash('sha256', JSON.stringify(parts), 'base64url')
}

/** Computes a short text from a text, which reveals nothing of it. */
export function fingerprint(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, LENGTH)
}

/** Returns the fingerprints of views, by root. Equal views have equal fingerprints. */
export function fingerprintsOf(views: readonly { root: string; key: string }[]): Record<string, string> {
  const fingerprints: Record<string, string> = {}
  for (const { root, key } of views) fingerprints[root] = key.slice(0, LENGTH)
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
