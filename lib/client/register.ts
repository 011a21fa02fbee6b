import { ParticleError } from '../errors.ts'
import type { WatchEntry } from '../protocol/watched-root.ts'
import type { SessionAnswer, Sink, StreamStart, Transport } from './transport.ts'
import type { WatchChange } from './watch-list.ts'

/** Receives one event: its name, its data (never changed by the client) and the position after the event. */
export type Receiver = (name: string, data: object, id?: string) => void

/**
 * Ends the registration's start: without an error when the registration succeeded, with an error when it
 * failed.
 */
export type Done = (error?: unknown) => void

/** Ends a registration. */
export type Stop = () => unknown

/**
 * Connects the client by an own transport or a mock, and passes each event to `receiver`. An error with
 * `code: 'UNAUTHORIZED'` (or one of the `INVALID_` codes) refuses the client, whether passed to `done`,
 * thrown or rejected. After any other error the client connects again. `watch` lists the roots that the page
 * watches. The client registers again when that list changes, unless the function returned what
 * `server.register` returns.
 */
export type Register = (
  identity: unknown,
  receiver: Receiver,
  done: Done,
  watch: readonly WatchEntry[],
) => undefined | Stop | Promise<undefined | Stop> | unknown

/** Adapts the option `onRegister` to the interface of a transport. */
export class RegisterTransport implements Transport {
  readonly heartbeat = undefined
  readonly expired = true
  readonly #register: Register
  #identity: unknown
  /** What the registration of the open stream returned. */
  #registered: Promise<unknown> = Promise.resolve()

  constructor(register: Register) {
    this.#register = register
  }

  async handshake(identity: unknown): Promise<boolean> {
    this.#identity = identity
    return false
  }

  open({ watch }: StreamStart, sink: Sink): () => void {
    const receiver: Receiver = (name, data, id = '') => sink.event(name, JSON.stringify(data), id)
    const done: Done = (error) => (error ? sink.lost(error) : sink.opened())
    const registered = new Promise((resolve) =>
      resolve(this.#register(this.#identity, receiver, done, watch)),
    )
    this.#registered = registered
    registered
      .then(async (registration) => {
        if (watch.length > 0) await changeWatched(registration, { add: watch, remove: [] })
      })
      .catch(sink.lost)
    return () => {
      // Ignores errors of `stop`, because the stream has ended already.
      registered.then((stop) => typeof stop === 'function' && stop()).catch(() => {})
    }
  }

  /**
   * Asks the function that `server.register` returned. Where another one was returned, the client registers
   * again with the changed list of watched roots, and positions are rejected.
   */
  async post(route: string, body: object): Promise<SessionAnswer> {
    const registration = await this.#registered
    if (route === 'watch') return changeWatched(registration, body as WatchChange)
    const { reached } = Object(registration)
    try {
      if (typeof reached !== 'function')
        throw new ParticleError('INVALID_MESSAGE', 'onRegister must return what server.register returned.')
      reached(Object(body).position)
      return { live: true }
    } catch (error) {
      throw { error, own: true }
    }
  }

  renew(): void {}
}

/** Changes the watched roots of a registration in this process. */
async function changeWatched(registration: unknown, { add, remove }: WatchChange): Promise<SessionAnswer> {
  const { watch } = Object(registration)
  return typeof watch === 'function' ? { live: true, watch: await watch(add, remove) } : { live: false }
}
