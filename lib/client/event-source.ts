import { ParticleError } from '../errors.ts'
import { EVENTS } from '../protocol/messages.ts'
import type { Sink } from './transport.ts'

/** What the client needs of an EventSource. */
export interface EventSourceLike {
  addEventListener(type: string, listener: (event: Event) => void): void
  close(): void
}

/** The constructor of an EventSource: the browser's own, or one that is made like it. */
export type EventSourceConstructor = new (
  url: string,
  options?: { withCredentials?: boolean },
) => EventSourceLike

const HINT =
  'An EventSource does not say why. Does a proxy pass /handshake on to Particle, and not /stream, or allowOrigin leave this page out?'

/**
 * Opens a stream of events by an EventSource, which is never left to reconnect by itself.
 *
 * @param address in full, with all that an EventSource can't set: the ticket and the position
 * @returns what closes it
 */
export function openEventSource(
  EventSource: EventSourceConstructor,
  address: string,
  withCredentials: boolean,
  sink: Sink,
): () => void {
  const source = new EventSource(address, { withCredentials })
  let last = ''
  const receive = (event: Event) => {
    const { type, data, lastEventId } = event as MessageEvent
    // The server's `error` event goes by the same name as a lost connection.
    if (typeof data !== 'string') {
      sink.lost({ error: new ParticleError('UNAVAILABLE', 'The stream is not open (any more).'), hint: HINT })
      return
    }
    // By the standard, an event without an id carries that of the one before; that would outlive the position it was.
    const id = lastEventId === last ? '' : lastEventId
    last = lastEventId
    sink.event(type, data, id)
  }
  source.addEventListener('open', () => sink.opened())
  for (const name of EVENTS) source.addEventListener(name, receive)
  return () => {
    source.close()
    // Some set their timer for a reconnect right after they told of the loss.
    queueMicrotask(() => source.close())
  }
}
