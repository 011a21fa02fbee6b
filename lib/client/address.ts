/**
 * Builds the address of a route of the server below the client's own `url`, and keeps the query of that. A
 * proxy may have stripped a prefix that the server does not know, so the server's answer can't name the
 * address. The result is built as a string because the URL of React Native has no setters.
 */
export function routeOf(url: string, route: string, query = ''): string {
  const [, path = '', given = ''] = /^([^?#]*)(?:\?([^#]*))?/.exec(url) ?? []
  const whole = [given, query].filter(Boolean).join('&')
  return `${path.replace(/\/+$/, '')}/${route}${whole && `?${whole}`}`
}

/**
 * Completes an address.
 *
 * @throws TypeError where it is not a URL, or needs a base and there is none
 */
export function absolute(url: string, base: string | undefined): string {
  const { href } = new URL(url, base)
  // React Native's href gains a slash at its end.
  return originOf(url) ? url : href
}

/** Reads the origin from a complete address; undefined where it has none. */
export function originOf(url: string): string | undefined {
  return /^[a-z][a-z\d+.-]*:\/\/[^/?#]+/i.exec(url)?.[0].toLowerCase()
}

/** Drops the query of an address, which may hold secrets. */
export function withoutQuery(url: string): string {
  return url.replace(/[?#].*/, '')
}
