/**
 * Builds the address of a route below the client's own `url`, and keeps that url's query. The server cannot
 * name the address in its answer, because a proxy may strip a prefix that the server does not know. The
 * result is a string because the URL of React Native has no setters.
 */
export function routeOf(url: string, route: string, query = ''): string {
  const [, path = '', given = ''] = /^([^?#]*)(?:\?([^#]*))?/.exec(url) ?? []
  const whole = [given, query].filter(Boolean).join('&')
  return `${path.replace(/\/+$/, '')}/${route}${whole && `?${whole}`}`
}

/**
 * Completes an address by a base.
 *
 * @throws TypeError where the address is not a URL, or where a relative address has no base
 */
export function absolute(url: string, base: string | undefined): string {
  const { href } = new URL(url, base)
  // React Native adds a slash to the end of `href`.
  return originOf(url) ? url : href
}

/** Reads the origin of a complete address. Returns undefined for a relative address. */
export function originOf(url: string): string | undefined {
  return /^[a-z][a-z\d+.-]*:\/\/[^/?#]+/i.exec(url)?.[0].toLowerCase()
}

/** Removes the query of an address, because a query may hold secrets. */
export function withoutQuery(url: string): string {
  return url.replace(/[?#].*/, '')
}
