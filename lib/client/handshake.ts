import { ParticleError } from '../errors.ts'
import type { Clock, Transport } from './transport.ts'

/** For how long a handshake may take, in milliseconds. */
const PATIENCE = 30_000

/** What a handshake needs. */
export interface Presenting {
  transport: Transport
  clock: Clock
  /** The identity to present. */
  identity: () => unknown
}

/**
 * Presents the identity to the server.
 *
 * @returns whether the stream that is open goes on under the new token
 * @throws what the transport or the identity does, and ParticleError `UNAVAILABLE` where there is no answer in time, or it is ended
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
