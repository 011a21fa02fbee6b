import type { IncomingMessage, ServerResponse } from 'node:http'
import { refuseUnknown, requireFunction } from '../model/unknown.ts'
import { FetchResponse } from './response.ts'

/** Describes the options of {@link fetchHandler}. */
export interface FetchOptions<Rest extends readonly unknown[] = unknown[]> {
  /**
   * Returns the address that the limits by address count the client under, since a web request has none. It
   * gets the handler's arguments: `(request, server) => server.requestIP(request)?.address` in Bun. Behind a
   * proxy, read the header that the proxy sets. Default: no address, and the limits by address do not apply.
   */
  address?: (request: Request, ...context: Rest) => string | undefined
}

/**
 * Answers a web request. `identityLookup` finds the second argument, such as a framework's context, as
 * `request.context`.
 */
export type FetchHandler<Rest extends readonly unknown[] = unknown[]> = (
  request: Request,
  ...context: Rest
) => Promise<Response>

/**
 * Creates a handler for frameworks with web requests: Hono, Bun, Deno, SvelteKit, route handlers of Next. The
 * routes, their answers and their limits are those of the given handler. A path that is no route is answered
 * with 404.
 *
 * @param handler `particle.middleware(options)`, `server.middleware()`, `server.healthz()` or
 *   `server.readyz()`
 * @throws ParticleError `INVALID_OPTION` for anything but a function, and for an unknown option
 */
export function fetchHandler<Rest extends readonly unknown[] = unknown[]>(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  options: FetchOptions<Rest> = {},
): FetchHandler<Rest> {
  requireFunction('fetchHandler(handler): handler, such as server.middleware(),', handler)
  refuseUnknown('fetchHandler(handler, options): option', options, ['address'])
  const { address } = options
  if (address !== undefined) requireFunction('fetchHandler(handler, { address }): address', address)
  return async (request, ...context) => {
    const response = new FetchResponse(request, context[0], address?.(request, ...context))
    const { signal } = request
    const abort = () => response.leave()
    signal.addEventListener('abort', abort)
    response.once('close', () => signal.removeEventListener('abort', abort))
    if (signal.aborted) abort()
    else handler(response.req as unknown as IncomingMessage, response as unknown as ServerResponse)
    return response.answer
  }
}
