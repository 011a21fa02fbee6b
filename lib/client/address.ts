/**
 * The address of one of the server's routes below the client's own `url`, whose query is kept. It is built as a text, since the URL of
 * React Native can't be changed; and from what the client knows, since a proxy may have stripped a prefix that the server knows nothing of.
 */
export function routeOf(url: string, route: string, query = ''): string {
  const [, path = '', given = ''] = /^([^?#]*)(?:\?([^#]*))?/.exec(url) ?? []
  const whole = [given, query].filter(Boolean).join('&')
  return `${path.replace(/\/+$/, '')}/${route}${whole && `?${whole}`}`
}

/**
 * The address in full, as a text.
 *
 * @throws TypeError where it is not a URL, or needs a base and there is none
 */
export function absolute(url: string, base: string | undefined): string {
  const { href } = new URL(url, base)
  // The href of React Native has a slash at its end where there was none.
  return originOf(url) ? url : href
}

/** The origin of an address in full; undefined where it has none. */
export function originOf(url: string): string | undefined {
  return /^[a-z][a-z\d+.-]*:\/\/[^/?#]+/i.exec(url)?.[0].toLowerCase()
}

/** The address without its query, where secrets may be. */
export function withoutQuery(url: string): string {
  return url.replace(/[?#].*/, '')
}
