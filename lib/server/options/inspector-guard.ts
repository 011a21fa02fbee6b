import type { IncomingMessage } from 'node:http'
import { refuseOption } from '../../model/unknown.ts'

/**
 * Decides who may use the inspector, by the request for it: `(request) => request.user?.isAdmin === true`.
 * The type of the request may be narrowed: `(request: express.Request) => …`. Only `true` admits.
 */
export type InspectorGuard = {
  // Declares a method, because methods accept functions with a narrower type of request.
  admits(request: IncomingMessage): boolean | PromiseLike<boolean>
}['admits']

/**
 * Returns the guard of the option `inspector`; undefined when the inspector is off.
 *
 * @throws ParticleError `INVALID_OPTION` for `true` in production, and for another type
 */
export function resolveInspector(value: unknown): InspectorGuard | undefined {
  if (value === undefined || value === false) return undefined
  if (typeof value === 'function') return value as InspectorGuard
  const form = 'such as (request) => request.user?.isAdmin === true'
  if (value !== true) refuseOption(`inspector must be a function, ${form}`)
  if (process.env.NODE_ENV === 'production') {
    refuseOption(
      `inspector needs a guard where NODE_ENV is production, since it shows documents: a function, ${form}`,
    )
  }
  return isLocal
}

/**
 * Admits requests of this machine to this machine alone. Checks the host too, since a foreign page could
 * name this machine by a domain of its own, and refuses requests that a proxy has passed on.
 */
function isLocal({ socket, headers }: IncomingMessage): boolean {
  const authority = headers[':authority']
  const host = typeof authority === 'string' ? authority : headers.host
  return (
    /^(?:::1|(?:::ffff:)?127\.\d+\.\d+\.\d+)$/.test(socket.remoteAddress ?? '') &&
    /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/.test(host ?? '') &&
    !['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'].some((name) => name in headers)
  )
}
