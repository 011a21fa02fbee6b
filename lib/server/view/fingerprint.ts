import { hash } from 'node:crypto'

/** Limits the texts whose digests are kept: those of the views that most clients share. */
const MAX_KEPT = 100

/** Returns a function that keeps its last results. A digest takes 1% of the CPU time of a connection. */
function kept(digestOf: (text: string) => string): (text: string) => string {
  const results = new Map<string, string>()
  return (text) => {
    let result = results.get(text)
    if (result === undefined) {
      if (results.size === MAX_KEPT) results.clear()
      result = digestOf(text)
      results.set(text, result)
    }
    return result
  }
}

/**
 * Computes a short text from a view's key. Equal views have equal fingerprints, which reveal nothing of the
 * key.
 */
export const fingerprint = kept((key) => hash('sha256', key, 'base64url').slice(0, 12))

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
  return rights(JSON.stringify(sorted))
}

const rights = kept((text) => hash('sha256', text, 'hex').slice(0, 12))
