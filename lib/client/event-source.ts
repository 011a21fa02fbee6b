import { ParticleError } from '../errors.ts'
import { EVENTS } from '../protocol/messages.ts'
import type { Sink } from './transport.ts'

/** Lists the parts of an EventSource that the client uses. */
export interface EventSourceLike {
  addEventListener(type: string, listener: (event: Event) => void): void
  close(): void
}

/** Constructs an EventSource: the browser's own, or a polyfill. */
export type EventSourceConstructor = new (
  url: string,
  options?: { withCredentials?: boolean },
) => EventSourceLike

const HINT = 'An EventSource does not say why. Does a proxy pass /handshake on and not /stream?'

/**
 * Opens a stream by an EventSource. Closes the EventSource after a loss, because its own reconnect would use
 * the same ticket again.
 *
 * @param address with the ticket and the position in its query, since an EventSource can't set headers
 * @returns a function that closes the stream
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
    // A lost connection dispatches an event without data, and has the same name as the server's `error`
    // event.
    if (typeof data !== 'string') {
      sink.lost({ error: new ParticleError('UNAVAILABLE', 'The stream is not open (any more).'), hint: HINT })
      return
    }
    // By the standard, an event without an id repeats the last id. A repeated id is dropped, because the
    // position belongs to its own event only.
    const id = lastEventId === last ? '' : lastEventId
    last = lastEventId
    sink.event(type, data, id)
  }
  source.addEventListener('open', () => sink.opened())
  for (const name of EVENTS) source.addEventListener(name, receive)
  return () => {
    source.close()
    // Some polyfills set their reconnect timer after they have dispatched the error.
    queueMicrotask(() => source.close())
  }
}
