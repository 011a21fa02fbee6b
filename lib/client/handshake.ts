import { withTimeout } from './timeout.ts'
import type { Clock, Transport } from './transport.ts'

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
 * @throws the errors of the transport, of the identity and of {@link withTimeout}
 */
export function handshake(
  { transport, clock, identity }: HandshakeOptions,
  end: AbortSignal,
): Promise<boolean> {
  return withTimeout(clock, end, async (signal) => {
    const presented = await identity()
    return !signal.aborted && transport.handshake(presented, signal)
  })
}
