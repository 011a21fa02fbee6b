/**
 * Splits a request's target into its path and its query. A proxy may send a target with a host (RFC 9112,
 * 3.2.2).
 */
export function splitTarget(target: string): [path: string, query: string] {
  const url = target.replace(/^https?:\/\/[^/?#]*/i, '')
  const at = url.indexOf('?')
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)]
}
