import type { Sink, Transport } from './transport.ts'

/** Takes one event: its name, its data (never changed by the client) and the position after it. */
export type Receiver = (name: string, data: object, id?: string) => void

/** Tells that there is nothing more to come: without an error that the registration went well. */
export type Done = (error?: unknown) => void

/** What ends a registration. */
export type Stop = () => unknown

/**
 * An own way to a server, or a mock of one: hands each event to `receiver`. An error handed to `done`, thrown
 * or rejected with `code: 'UNAUTHORIZED'` (or one of the `INVALID_` codes) is a refusal; after any other the
 * client comes back.
 */
export type Register = (
  identity: unknown,
  receiver: Receiver,
  done: Done,
) => undefined | Stop | Promise<undefined | Stop> | unknown

/** The transport that `onRegister` makes. */
export class RegisterTransport implements Transport {
  readonly heartbeat = undefined
  readonly expired = true
  readonly #register: Register
  #identity: unknown

  constructor(register: Register) {
    this.#register = register
  }

  async handshake(identity: unknown): Promise<boolean> {
    this.#identity = identity
    return false
  }

  open(_position: string, sink: Sink): () => void {
    const receiver: Receiver = (name, data, id = '') => sink.event(name, JSON.stringify(data), id)
    const done: Done = (error) => (error ? sink.lost(error) : sink.opened())
    const registered = new Promise((resolve) => resolve(this.#register(this.#identity, receiver, done)))
    registered.catch(sink.lost)
    return () => {
      // What the other side has to say about its end is of no interest any more.
      registered.then((stop) => typeof stop === 'function' && stop()).catch(() => {})
    }
  }

  renew(): void {}
}
