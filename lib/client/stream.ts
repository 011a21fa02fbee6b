import { ParticleError } from '../errors.ts'
import type { Clock, Sink, StreamStart, Transport } from './transport.ts'

const HINT = 'Does a proxy or a middleware that compresses hold the stream back (nginx: proxy_buffering off)?'

/**
 * Opens a stream of a transport until the signal is aborted. Ends a stream that is silent for too long.
 *
 * @param sink gets no call after the abort. `opened` is called for each sign of life
 */
export function openStream(
  transport: Transport,
  start: StreamStart,
  sink: Sink,
  clock: Clock,
  signal: AbortSignal,
): void {
  let lastSign = clock.now()
  let cancel = () => {}
  let close = () => {}
  const opened = () => {
    lastSign = clock.now()
    if (!signal.aborted) sink.opened()
  }
  const lost = (error: unknown) => {
    if (!signal.aborted) sink.lost(error)
  }
  const watch = (silence: number) => {
    const left = lastSign + silence - clock.now()
    if (left > 0) cancel = clock.after(left, () => watch(silence))
    else lost({ error: new ParticleError('UNAVAILABLE', 'The stream was silent for too long.'), hint: HINT })
  }
  if (transport.heartbeat) watch(transport.heartbeat * 2.5)
  signal.addEventListener('abort', () => {
    cancel()
    close()
  })
  try {
    const event: Sink['event'] = (name, data, id) => {
      opened()
      if (!signal.aborted) sink.event(name, data, id)
    }
    close = transport.open(start, { opened, event, lost })
    // Closes at once a stream that has ended before the transport returned.
    if (signal.aborted) close()
  } catch (error) {
    lost(error)
  }
}
