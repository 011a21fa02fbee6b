import { refuseOption } from '../model/unknown.ts'
import { absolute } from './address.ts'
import { HttpTransport } from './http.ts'
import type { ClientOptions } from './options.ts'
import { RegisterTransport } from './register.ts'
import type { Clock, Transport } from './transport.ts'

/**
 * Creates the transport for a client's options.
 *
 * @param base the page's address; `undefined` where there is no page
 * @throws ParticleError `INVALID_OPTION`
 */
export function transportOf(
  options: Pick<ClientOptions, 'url' | 'onRegister' | 'EventSource' | 'fetch'>,
  base: string | undefined,
  clock: Clock,
): Transport {
  const { onRegister, fetch = globalThis.fetch } = options
  if (onRegister) return new RegisterTransport(onRegister)
  // Checks for a streaming fetch: React Native's fetch resolves after the whole body has arrived.
  const streams = options.fetch ?? (globalThis.Response && 'body' in Response.prototype)
  const EventSource = options.EventSource ?? (streams ? undefined : globalThis.EventSource)
  if (!streams && !EventSource)
    refuseOption('There is no fetch here that can stream: give one as an option, or an EventSource.')
  let url: string
  try {
    url = absolute(String(options.url ?? '/particle'), base)
  } catch {
    return refuseOption('Outside of a browser, url must be absolute: https://example.com/particle')
  }
  // Wraps fetch, because the browser's own fetch throws when called as a method.
  return new HttpTransport({ url, base, fetch: (...args) => fetch(...args), EventSource, clock })
}
