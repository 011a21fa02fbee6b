import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Warnings } from './warnings.ts'

/** Matches the end of Particle's addresses, even with a wrong prefix. */
const ALIKE = /\/(?:handshake|stream|client(?:\/\w+)?\.js)$/

/** Warns of requests that were probably meant for Particle, and match no route of it. */
export class RouteHints {
  readonly #path: string
  readonly #allowed: readonly string[]
  readonly #compression: boolean
  readonly #warnings: Warnings

  constructor(
    options: { path: string; allowOrigin: readonly string[]; compression: boolean },
    warnings: Warnings,
  ) {
    this.#path = options.path
    this.#compression = options.compression
    this.#allowed = options.allowOrigin
    this.#warnings = warnings
  }

  /**
   * Checks a request that matches no route. Warns after an answer of 404, because another handler may know
   * the request.
   *
   * @param pathname the path below the mount point
   * @param original the path before any handler changed it
   */
  unmatched(request: IncomingMessage, response: ServerResponse, pathname: string, original: string): void {
    const path = this.#path
    if (!ALIKE.test(pathname) && !`${pathname}/`.includes(`${path}/`)) return
    const mount = original.endsWith(pathname) ? original.slice(0, original.length - pathname.length) : ''
    const routes = ['POST handshake', 'GET stream', 'GET client.js']
      .map((route) => route.replace(' ', ` ${mount}${path}/`))
      .join(', ')
    response.once('finish', () => {
      if (response.statusCode !== 404) return
      const mismatch = `${request.method} ${original} is not a route of Particle: these are ${routes}`
      if (mount.endsWith(path) && ALIKE.test(pathname)) {
        this.#warnings.error(
          'mount',
          `${mismatch}. The middleware adds its path by itself: mount it without one, ` +
            'app.use(particle.middleware(...))',
        )
      } else {
        this.#warnings.debug(
          'route',
          `${mismatch}. Check the client's url, the option path, and the mount point`,
        )
      }
    })
  }

  /**
   * Checks a request of a route. Warns of a page of another origin that may not connect, and of an option
   * that has no effect on the request.
   */
  matched(request: IncomingMessage, response: ServerResponse): void {
    if (this.#compression && 'webRequest' in request)
      this.#warnings.error(
        'compression',
        'The option compression has no effect over particle/fetch: leave it out, and let the framework ' +
          'or a proxy compress',
      )
    const { origin, 'sec-fetch-site': site } = request.headers
    if (origin === undefined || (site !== 'cross-site' && site !== 'same-site')) return
    if (this.#allowed.includes(origin) || this.#allowed.includes('*')) return
    const other = response.hasHeader('Access-Control-Allow-Origin')
      ? '. Another middleware (cors) lets it in, and Particle gives it no cookie that browsers would send'
      : ''
    this.#warnings.debug(
      'origin',
      `A page of ${origin} wants to connect, and allowOrigin does not list it${other}: ` +
        'if it is yours, list it in allowOrigin',
    )
  }
}
