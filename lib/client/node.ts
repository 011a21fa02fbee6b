import { EventSource, type EventSourceFetchInit } from 'eventsource'
import type { Model } from '../model/document.ts'
import { Client as BaseClient, type Internals } from './client.ts'
import type { OpenStream } from './http.ts'
import type { ClientOptions } from './options.ts'

export * from './index.ts'

const openStream: OpenStream = (url, token, fetch) =>
  new EventSource(url, {
    fetch: (address: string | URL, init: EventSourceFetchInit) =>
      fetch(address, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } }),
  })

/** The client of `./client.ts` with Node's defaults: the `eventsource` package, which sends the token in a header. */
export class Client<T = Model> extends BaseClient<T> {
  constructor(options: ClientOptions<T> = {}, internals: Internals = {}) {
    super(options, { openStream, ...internals })
  }
}
