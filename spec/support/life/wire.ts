import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

type State = 'whole' | 'cut' | 'black hole'

/**
 * A TCP wire to a port of this machine that can break: `cut` ends all connections and refuses new ones at
 * once; in a `black hole` nothing
 * is answered any more, on open connections and on new ones. A mended wire knows nothing of the connections
 * of before: they stay silent,
 * and are reset when the browser sends something by them, as by a router that has forgotten them.
 */
export class Wire {
  readonly port: number
  readonly #listening: Server
  readonly #ends = new Set<Socket>()
  /** The browser's connections. */
  readonly #near = new Set<Socket>()
  /** Those of them that a black hole has swallowed. */
  readonly #forgotten = new WeakSet<Socket>()
  #state: State = 'whole'

  private constructor(listening: Server, target: number) {
    this.#listening = listening
    this.port = (listening.address() as AddressInfo).port
    listening.on('connection', (socket) => {
      this.#keep(socket)
      this.#near.add(socket)
      socket.once('close', () => this.#near.delete(socket))
      if (this.#state === 'cut') socket.destroy()
      if (this.#state === 'black hole') this.#forget(socket)
      if (this.#state !== 'whole') return
      const far = connect(target, '127.0.0.1')
      this.#keep(far)
      socket.pipe(far).pipe(socket)
      socket.once('close', () => far.destroy())
      far.once('close', () => {
        if (!this.#forgotten.has(socket)) socket.destroy()
      })
    })
  }

  static async to(target: number): Promise<Wire> {
    const listening = createServer().listen(0, '127.0.0.1')
    await once(listening, 'listening')
    return new Wire(listening, target)
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`
  }

  become(state: State): void {
    this.#state = state
    if (state === 'cut') for (const end of this.#ends) end.destroy()
    if (state === 'black hole') for (const socket of this.#near) this.#forget(socket)
    if (state === 'whole')
      for (const socket of this.#near)
        if (this.#forgotten.has(socket)) socket.once('data', () => socket.resetAndDestroy()).resume()
  }

  close(): void {
    this.#listening.close()
    for (const end of this.#ends) end.destroy()
  }

  /** Takes nothing more from a connection of the browser, and gives nothing more to it. */
  #forget(socket: Socket): void {
    this.#forgotten.add(socket)
    socket.unpipe().pause()
    for (const end of this.#ends) if (!this.#near.has(end)) end.unpipe(socket)
  }

  #keep(socket: Socket): void {
    this.#ends.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#ends.delete(socket))
  }
}
