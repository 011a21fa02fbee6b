import { ParticleError } from '../errors.ts'
import type { Clock, Transport } from './transport.ts'

/** Limits the duration of a handshake, in milliseconds. */
const HANDSHAKE_TIMEOUT_MS = 30_000

/** Holds the parameters of a handshake. */
export interface HandshakeOptions {
  transport: Transport
  clock: Clock
  /** The identity to present. */
  identity: () => unknown
}

/**
 * Presents the identity to the server.
 *
 * @returns whether the open stream continues under the new token
 * @throws the errors of the transport and of the identity; ParticleError `UNAVAILABLE` after a time-out or
 *   the abort
 */
export async function handshake(
  { transport, clock, identity }: HandshakeOptions,
  end: AbortSignal,
): Promise<boolean> {
  const controller = new AbortController()
  const { signal } = controller
  let cancelHandshake = () => {}
  const over = new Promise<never>((_resolve, reject) => {
    cancelHandshake = () => {
      controller.abort()
      reject(
        new ParticleError('UNAVAILABLE', `The handshake had no answer within ${HANDSHAKE_TIMEOUT_MS} ms.`),
      )
    }
  })
  end.addEventListener('abort', cancelHandshake)
  const cancel = clock.after(HANDSHAKE_TIMEOUT_MS, cancelHandshake)
  const present = async () => {
    const presented = await identity()
    return signal.aborted ? over : transport.handshake(presented, signal)
  }
  try {
    return await Promise.race([present(), over])
  } finally {
    cancel()
    end.removeEventListener('abort', cancelHandshake)
  }
}
