import { ParticleError } from '../errors.ts'
import type { Clock, Transport } from './transport.ts'

/** Limits the time of a handshake, in milliseconds. */
const PATIENCE = 30_000

/** Holds the parameters of a handshake. */
export interface Presenting {
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
 *   the end
 */
export async function handshake(
  { transport, clock, identity }: Presenting,
  end: AbortSignal,
): Promise<boolean> {
  const controller = new AbortController()
  const { signal } = controller
  let giveUp = () => {}
  const over = new Promise<never>((_resolve, reject) => {
    giveUp = () => {
      controller.abort()
      reject(new ParticleError('UNAVAILABLE', `The handshake had no answer within ${PATIENCE} ms.`))
    }
  })
  end.addEventListener('abort', giveUp)
  const cancel = clock.after(PATIENCE, giveUp)
  const present = async () => {
    const presented = await identity()
    return signal.aborted ? over : transport.handshake(presented, signal)
  }
  try {
    return await Promise.race([present(), over])
  } finally {
    cancel()
    end.removeEventListener('abort', giveUp)
  }
}
