import { describeGiven, type Mistaken } from '../model/given.ts'
import { refuseOption } from '../model/unknown.ts'

/** The handler of a middleware, which is a function with the server as a field. */
const HANDLER: Mistaken = [
  ({ server }) => server !== undefined,
  'a handler of particle.middleware(): give its .server',
]

/**
 * Refuses anything but a server, before the caller registers something.
 *
 * @param what the function's name, for the message
 * @throws ParticleError `INVALID_OPTION`
 */
export function requireServer(what: string, given: { options: { diagnostics: object } }): void {
  if (given?.options?.diagnostics) return
  refuseOption(`${what} takes a particle.Server, but ${describeGiven(given, [HANDLER])}`)
}
