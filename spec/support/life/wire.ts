import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

type State = 'whole' | 'cut' | 'black hole'

/**
 * A TCP wire to a port of this machine that can break: `cut` ends all connections and refuses new ones at once; in a `black hole` nothing
 * is answered any more, neither on open connections, which stay dead when the wire is mended, nor on new ones.
 */
export class Wire {
  readonly port: number
  readonly #listening: Server
  readonly #ends = new Set<Socket>()
  #state: State = 'whole'

  private constructor(listening: Server, target: number) {
    this.#listening = listening
    this.port = (listening.address() as AddressInfo).port
    listening.on('connection', (socket) => {
      this.#keep(socket)
      if (this.#state === 'cut') socket.destroy()
      if (this.#state !== 'whole') return
      const far = connect(target, '127.0.0.1')
      this.#keep(far)
      socket.pipe(far).pipe(socket)
      socket.once('close', () => far.destroy())
      far.once('close', () => socket.destroy())
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
    for (const end of this.#ends)
      if (state === 'cut') end.destroy()
      else if (state === 'black hole') end.unpipe().pause()
  }

  close(): void {
    this.#listening.close()
    for (const end of this.#ends) end.destroy()
  }

  #keep(socket: Socket): void {
    this.#ends.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#ends.delete(socket))
  }
}
