import { hash } from 'node:crypto'

/** The characters of a fingerprint. */
const LENGTH = 12
/** Limits the sets of views whose digests are kept: those that most clients share. */
const MAX_KEPT = 100
const kept = new Map<string, string>()

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
 * to verify a guess at the views. The last digests are kept, since one takes 1% of the CPU time of a
 * connection.
 */
export function rightsOf(views: Readonly<Record<string, string>>): string {
  const text = JSON.stringify(Object.entries(views).sort(([a], [b]) => (a < b ? -1 : 1)))
  let rights = kept.get(text)
  if (rights === undefined) {
    if (kept.size === MAX_KEPT) kept.clear()
    rights = hash('sha256', text, 'hex').slice(0, LENGTH)
    kept.set(text, rights)
  }
  return rights
}
